# An outcome read once, at the end of follow-up, for tests/reference/test_sustained.py; R 4.x with sandwich. Run in this folder: Rscript end.R
suppressMessages(library(sandwich))
exact <- glm.control(epsilon = 1e-14, maxit = 100)
d <- read.csv("rows.csv"); d <- d[order(d$partner, d$quarter), ]
d$lag <- ave(d$dinner, d$partner, FUN = function(v) c(0, v[-length(v)])); d$q <- factor(d$quarter)
last <- d$quarter == 6; goes_on <- c(d$partner[-1] == d$partner[-nrow(d)], FALSE); seen <- !is.na(d$leads)
share <- function(y, open, numerator, denominator) {
  part <- droplevels(d[open, ]); part$y <- as.numeric(y[open])
  p <- sapply(list(numerator, denominator), function(f) { p <- fitted(glm(update(f, y ~ .), binomial, part, control = exact)); ifelse(part$y == 1, p, 1 - p) })
  f <- rep(1, nrow(d)); f[open] <- p[, 1] / p[, 2]; f
}
choice <- share(d$dinner, rep(TRUE, nrow(d)), ~ size + q + lag, ~ size + q + lag + health)
stay <- share(goes_on, !last, ~ size + q + lag + dinner, ~ size + q + lag + health + dinner)
if (all(seen[last])) told <- 1 else told <- share(seen, last, ~ size + lag + dinner, ~ size + lag + health + dinner)
d$w <- ave(choice * told * ave(stay, d$partner, FUN = function(x) c(1, x[-length(x)])), d$partner, FUN = cumprod)
d$total <- ave(d$dinner, d$partner, FUN = cumsum)
e <- d[last & seen, ]
out <- data.frame()
for (kind in c("recent", "total")) {
  m <- lm(if (kind == "recent") leads ~ dinner + lag + size else leads ~ total + size, e, weights = w)
  v <- vcovHC(m, "HC0"); k <- if (kind == "recent") c("dinner", "lag") else "total"; a <- if (kind == "recent") c(1, 1) else 2
  out <- rbind(out, data.frame(case = kind, rows = nrow(e), first = coef(m)[k[1]], first_se = sqrt(v[k[1], k[1]]),
    two = sum(a * coef(m)[k]), two_se = sqrt(drop(a %*% v[k, k] %*% a)), mean_weight = mean(e$w), largest = max(e$w)))
}
write.csv(format(out, digits = 12), "end.csv", row.names = FALSE, quote = FALSE)
