# Dirichlet prior of the rows of segments.csv by marginal likelihood, and the shrunken rows, in base R: Rscript pooled.R
counts <- as.matrix(read.csv("segments.csv")[, -1])
n <- rowSums(counts)
cost <- function(log_alpha) {
  a <- exp(log_alpha)
  -sum(sapply(seq_len(nrow(counts)), function(s) sum(lgamma(counts[s, ] + a) - lgamma(a)) + lgamma(sum(a)) - lgamma(n[s] + sum(a))))
}
fit <- optim(log(colSums(counts) / sum(counts) * 10), cost, method = "BFGS", control = list(reltol = 1e-15, maxit = 5000))
fit <- optim(fit$par, cost, method = "Nelder-Mead", control = list(reltol = 1e-16, maxit = 20000))
a <- exp(fit$par)
share <- sweep(counts, 2, a, "+") / (n + sum(a))
out <- rbind(data.frame(what = "alpha", t(unname(a)), weight = NA), data.frame(what = "share", unname(share), weight = sum(a) / (n + sum(a))))
names(out)[2:5] <- paste0("c", 1:4)
write.csv(format(out, digits = 15), "pooled.csv", row.names = FALSE, quote = FALSE)
# homogeneity of the segments, and order 2 against 1 of pairs.csv: X2, G2, df of Anderson and Goodman (1957)
homogeneity <- function(groups) {
  total <- Reduce(`+`, groups); x2 <- 0; g2 <- 0; df <- 0
  for (i in seq_len(nrow(total))) {
    rows <- t(sapply(groups, function(N) N[i, ]))
    rows <- rows[rowSums(rows) > 0, colSums(rows) > 0, drop = FALSE]
    if (nrow(rows) < 2 || ncol(rows) < 2) next
    test <- suppressWarnings(chisq.test(rows, correct = FALSE))
    x2 <- x2 + test$statistic; df <- df + test$parameter
    g2 <- g2 + 2 * sum(ifelse(rows > 0, rows * log(rows / test$expected), 0))
  }
  c(x2, g2, df, pchisq(x2, df, lower.tail = FALSE))
}
d <- read.csv("pairs.csv")
table_of <- function(rows) unclass(table(factor(rows$origin, 0:3), factor(rows$target, 0:3)))
by_quarter <- homogeneity(lapply(split(d, d$quarter), table_of))
d <- d[order(d$partner, d$quarter), ]
follows <- c(FALSE, d$partner[-1] == d$partner[-nrow(d)] & d$quarter[-1] == d$quarter[-nrow(d)] + 1)
d$before <- c(NA, d$origin[-nrow(d)]); d$before[!follows] <- NA
seen <- d[!is.na(d$before), ]
order2 <- homogeneity(lapply(split(seen, seen$before), table_of))
tests <- data.frame(test = c("homogeneity", "order"), rbind(by_quarter, order2))
names(tests)[2:5] <- c("statistic", "likelihood", "df", "p_value")
write.csv(format(tests, digits = 15), "chain_tests.csv", row.names = FALSE, quote = FALSE)
