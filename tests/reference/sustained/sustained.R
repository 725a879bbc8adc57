# Marginal structural models of tests/reference/test_sustained.py; R 4.x with sandwich. Run in this folder: Rscript sustained.R
suppressMessages(library(sandwich))
rows <- read.csv("rows.csv")
rows <- rows[order(rows$partner, rows$quarter), ]
exact <- glm.control(epsilon = 1e-14, maxit = 100)
before <- function(x, by) ave(x, by, FUN = function(v) c(0, v[-length(v)]))
# weights of histories; `case` counts each partner so often
weigh <- function(d) {
  d$lag <- before(d$dinner, d$partner); d$q <- factor(d$quarter)
  chance <- function(part, formula) {
    p <- predict(suppressWarnings(glm(update(formula, y ~ .), binomial, part, weights = case, control = exact)), type = "response")
    ifelse(part$y == 1, p, 1 - p)
  }
  factor_of <- function(y, open, numerator, denominator) {
    share <- tapply(y[open], d$quarter[open], mean)
    r <- open & as.character(d$quarter) %in% names(share)[share > 0 & share < 1]
    part <- droplevels(d[r, ]); part$y <- y[r]
    f <- rep(1, nrow(d)); f[r] <- chance(part, numerator) / chance(part, denominator); f
  }
  everywhere <- rep(TRUE, nrow(d)); observed <- !is.na(d$leads); d$filled <- ifelse(observed, d$leads, 0)
  goes_on <- c(d$partner[-1] == d$partner[-nrow(d)], FALSE)
  w <- factor_of(d$dinner, everywhere, ~ size + q + lag, ~ size + q + lag + health)
  w <- w * factor_of(as.numeric(observed), everywhere, ~ size + q + lag + dinner, ~ size + q + lag + health + dinner)
  v <- factor_of(as.numeric(goes_on), observed & d$quarter < 6, ~ size + q + lag + dinner, ~ size + q + lag + health + dinner + filled)
  ave(w * ave(v, d$partner, FUN = function(x) c(1, x[-length(x)])), d$partner, FUN = cumprod)
}
fit <- function(d, kind, case = rep(1, nrow(d))) {
  if (kind == "logit") d$leads <- as.numeric(d$leads > 0.5)
  d$case <- case; d$w <- weigh(d); d$lag <- before(d$dinner, d$partner); d$q <- factor(d$quarter)
  d$total <- ave(d$dinner, d$partner, FUN = cumsum)
  d <- d[!is.na(d$leads), ]
  d$y <- d$leads
  d$both <- d$w * d$case
  formula <- if (kind == "total") y ~ total + size + q else y ~ dinner + lag + size + q
  family <- if (kind == "logit") binomial() else gaussian()
  list(model = suppressWarnings(glm(formula, family, d, weights = both, control = exact)), d = d)
}
say <- function(kind) {
  terms <- if (kind == "total") "total" else c("dinner", "lag")
  contrast <- if (kind == "total") 2 else c(1, 1)
  two <- function(case) sum(contrast * coef(fit(rows, kind, case)$model)[terms])
  f <- fit(rows, kind)
  v <- vcovCL(f$model, f$d$partner, type = "HC0", cadjust = FALSE)
  h <- 1e-3
  # what counting each partner a little more and a little less does to everything: the infinitesimal jackknife
  moved <- sapply(unique(rows$partner), function(id) (two(1 + h * (rows$partner == id)) - two(1 - h * (rows$partner == id))) / (2 * h))
  data.frame(case = kind, first = coef(f$model)[terms[1]], first_se = sqrt(v[terms[1], terms[1]]),
             two = sum(contrast * coef(f$model)[terms]), two_se = sqrt(drop(contrast %*% v[terms, terms] %*% contrast)),
             two_fitted_se = sqrt(sum(moved^2)), mean_weight = mean(f$d$w), largest = max(f$d$w))
}
out <- rbind(say("recent"), say("total"), say("logit"))
write.csv(format(out, digits = 12), "values.csv", row.names = FALSE, quote = FALSE)
