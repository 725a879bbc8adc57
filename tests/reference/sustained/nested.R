# Nested target trials of tests/reference/test_nested_trials.py; R 4.x with sandwich. Run in this folder: Rscript nested.R
suppressMessages(library(sandwich))
exact <- glm.control(epsilon = 1e-14, maxit = 100)
one <- function(strategy, kind) {
  d <- read.csv("rows.csv"); d <- d[order(d$partner, d$quarter), ]
  if (kind == "logit") d$leads <- as.numeric(d$leads > 0.5)
  d$q <- factor(d$quarter)
  d$lag <- ave(d$dinner, d$partner, FUN = function(v) c(0, v[-length(v)]))
  observed <- !is.na(d$leads); d$filled <- ifelse(observed, d$leads, 0)
  goes_on <- c(d$partner[-1] == d$partner[-nrow(d)], FALSE)
  chance <- function(part, f) { p <- predict(glm(update(f, y ~ .), binomial, part, control = exact), type = "response"); ifelse(part$y == 1, p, 1 - p) }
  factor_of <- function(y, open, num, den) {
    share <- tapply(y[open], d$quarter[open], mean)
    r <- open & as.character(d$quarter) %in% names(share)[share > 0 & share < 1]
    part <- droplevels(d[r, ]); part$y <- y[r]
    f <- rep(1, nrow(d)); f[r] <- chance(part, num) / chance(part, den); f
  }
  all_rows <- rep(TRUE, nrow(d))
  d$keeps <- if (strategy == "keep") factor_of(d$dinner, all_rows, ~ q + lag, ~ q + lag + health + size) else 1
  d$seen <- factor_of(as.numeric(observed), all_rows, ~ q + dinner, ~ q + lag + health + size + dinner)
  d$after <- factor_of(as.numeric(goes_on), observed & d$quarter < 6, ~ q + dinner, ~ q + lag + health + size + dinner + filled)
  copies <- list()
  for (s in which(d$lag == 0 & observed)) {
    w <- 1
    for (ahead in 0:2) {
      r <- s + ahead
      if (r > nrow(d) || d$partner[r] != d$partner[s]) break
      if (ahead > 0) w <- w * d$after[r - 1] * d$keeps[r]
      if (strategy == "keep" && d$dinner[r] != d$dinner[s]) break
      w <- w * d$seen[r]
      copies[[length(copies) + 1]] <- data.frame(partner = d$partner[s], y = d$leads[r], assigned = d$dinner[s], ahead = ahead,
        trial = d$quarter[s], health = d$health[s], size = d$size[s], w = w)
    }
  }
  x <- do.call(rbind, copies); x <- x[!is.na(x$y), ]
  family <- if (kind == "logit") binomial() else gaussian()
  m <- suppressWarnings(glm(y ~ assigned + factor(ahead) + factor(trial) + health + size, family, x, weights = w, control = exact))
  m2 <- suppressWarnings(glm(y ~ assigned:factor(ahead) + factor(ahead) + factor(trial) + health + size, family, x, weights = w, control = exact))
  se <- function(m) sqrt(diag(vcovCL(m, x$partner, type = "HC0", cadjust = FALSE)))
  pick <- grep("^assigned", names(coef(m2)))
  data.frame(strategy, kind, at = c("all", "0", "1", "2"), estimate = c(coef(m)["assigned"], coef(m2)[pick]),
             std_error = c(se(m)["assigned"], se(m2)[pick]), n = c(sum(x$assigned), tapply(x$assigned, x$ahead, sum)))
}
out <- rbind(one("start", "linear"), one("keep", "linear"), one("keep", "logit"))
write.csv(format(out, digits = 12), "nested.csv", row.names = FALSE, quote = FALSE)
