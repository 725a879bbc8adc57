# The wild cluster bootstrap by hand, all ways gone through: Rscript wild.R, in this folder; writes wild.csv and wild_values.csv
wild <- function(y, X, g, col, values) {
  null <- lm.fit(X[, -col, drop = FALSE], y)
  bread <- solve(crossprod(X))
  tval <- function(yy) {
    f <- lm.fit(X, yy)
    V <- bread %*% crossprod(rowsum(X * f$residuals, g)) %*% bread
    unname(f$coefficients[col] / sqrt(V[col, col]))
  }
  seen <- tval(y)
  ways <- as.matrix(expand.grid(rep(list(values), length(unique(g)))))
  place <- match(g, sort(unique(g)))
  ts <- apply(ways, 1, function(w) tval(y - null$residuals + null$residuals * w[place]))
  ts[is.nan(ts)] <- Inf
  c(mean(abs(ts) >= abs(seen) * (1 - 1e-9)), nrow(ways), seen)
}
set.seed(6)
g <- rep(1:8, times = c(3, 5, 8, 4, 6, 9, 5, 4))
d <- c(1, 0, 1, 0, 1, 0, 0, 1)[g]
x <- rnorm(length(g))
u <- rnorm(8)[g]
y <- round(.8 * d + .5 * x + .5 * u + rnorm(length(g)), 3)
x <- round(x, 3)
X <- cbind(1, d, x)
k <- g <= 5
six <- sqrt(c(.5, 1, 1.5))
found <- rbind(wild(y, X, g, 2, c(-1, 1)), wild(y[k], X[k, ], g[k], 2, c(-six, six)), wild(y[k], X[k, ], g[k], 2, c(-1, 1)))
write.csv(data.frame(g, d, x, y), "wild.csv", row.names = FALSE)
write.csv(data.frame(case = c("signs8", "six5", "signs5"), p = found[, 1], ways = found[, 2], t = found[, 3]), "wild_values.csv", row.names = FALSE)
