# Marginal structural models of what ends for good, with loss, on ../nested/ending.csv; R 4.x with sandwich. Run in this folder.
# Pooled logistic regression weighted for choices and for being seen; cases: one quarter, two, looked back two quarters, cut weights
suppressMessages(library(sandwich))
exact <- glm.control(epsilon = 1e-14, maxit = 100)
d <- read.csv("../nested/ending.csv"); d <- d[order(d$partner, d$quarter), ]
back <- function(x, k) ave(x, d$partner, FUN = function(v) c(rep(0, k), v)[seq_along(v)])
d$q <- factor(d$quarter); d$lag <- back(d$dinner, 1); d$lag2 <- back(d$dinner, 2)
d$goes <- c(d$partner[-1] == d$partner[-nrow(d)], FALSE)
chance <- function(part, y, formula) { part$y <- y; p <- fitted(glm(formula, binomial, part, control = exact)); ifelse(y == 1, p, 1 - p) }
ratio <- function(part, y, own) chance(part, y, reformulate(c("base", "q", own), "y")) / chance(part, y, reformulate(c("base", "q", own, "health"), "y"))
one <- function(case, history, cut, terms) {
  past <- c("lag", "lag2")[1:history]
  open <- d$left == 0 & d$quarter < max(d$quarter); part <- droplevels(d[open, ])
  after <- rep(1, nrow(d)); after[open] <- ratio(part, as.numeric(part$goes), c(past, "dinner"))
  w <- ave(ratio(d, d$dinner, past) * ave(after, d$partner, FUN = function(v) c(1, v[-length(v)])), d$partner, FUN = cumprod)
  if (cut > 0) { edge <- quantile(w, c(cut, 1 - cut)); w <- pmin(pmax(w, edge[1]), edge[2]) }
  d$w <- w
  m <- suppressWarnings(glm(reformulate(c(terms, "base", "q"), "left"), binomial, d, weights = w, control = exact))
  v <- vcovCL(m, d$partner, type = "HC0", cadjust = FALSE)[terms, terms, drop = FALSE]
  data.frame(case, estimate = sum(coef(m)[terms]), std_error = sqrt(sum(v)), mean_weight = mean(w), largest = max(w))
}
both <- c("dinner", "lag")
out <- rbind(one("now", 1, 0, "dinner"), one("two", 1, 0, both), one("back", 2, 0, both), one("cut", 1, 0.05, both))
write.csv(format(out, digits = 12), "ending_values.csv", row.names = FALSE, quote = FALSE)
