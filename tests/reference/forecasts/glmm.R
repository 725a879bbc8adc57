# A logistic model with one block of ten normal levels: maximum marginal likelihood by numerical integration, and the
# mode of each level given it. Base R only.
d <- data.frame(events = c(12, 30, 18, 45, 22, 9, 27, 35, 16, 40), trials = 100)
minus <- function(par) {
  -sum(mapply(function(y, n) log(integrate(function(u) dbinom(y, n, plogis(par[1] + u)) * dnorm(u, 0, exp(par[2])), -6, 6,
    rel.tol = 1e-10)$value), d$events, d$trials))
}
par <- optim(c(-1, -1), minus, control = list(reltol = 1e-12))$par
mode <- function(y, n) optimize(function(u) dbinom(y, n, plogis(par[1] + u), log = TRUE) + dnorm(u, 0, exp(par[2]), log = TRUE),
  c(-4, 4), maximum = TRUE, tol = 1e-10)$maximum
cat("intercept", par[1], "spread", exp(par[2]), "\n")
cat("modes", round(mapply(mode, d$events, d$trials), 5), "\n")
