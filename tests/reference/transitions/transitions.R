# Transition shares, standard errors and intervals of pairs.csv, in base R: Rscript transitions.R
d <- read.csv("pairs.csv")
d$origin <- factor(d$origin, levels = 0:2)
d$target <- factor(d$target, levels = 0:3)
partners <- unique(d$partner)
G <- length(partners)
N <- unclass(table(d$origin, d$target))
P <- N / rowSums(N)
# delete one partner at a time, honestly looped
without <- lapply(partners, function(p) { M <- unclass(table(d$origin[d$partner != p], d$target[d$partner != p])); M / rowSums(M) })
centre <- Reduce(`+`, without) / G
jack <- sqrt((G - 1) / G * Reduce(`+`, lapply(without, function(M) (M - centre)^2)))
# cluster sandwich of an intercept-only linear probability model, HC0
sandwich <- matrix(0, 3, 4)
for (i in 1:3) for (j in 1:4) {
  rows <- d[d$origin == i - 1, ]
  scores <- tapply((rows$target == j - 1) - P[i, j], rows$partner, sum)
  sandwich[i, j] <- sqrt(sum(scores^2)) / nrow(rows)
}
active <- sapply(0:2, function(i) length(unique(d$partner[d$origin == i])))
out <- NULL
for (i in 1:3) for (j in 1:4) {
  n <- sum(N[i, ])
  wilson <- suppressWarnings(prop.test(N[i, j], n, correct = FALSE)$conf.int)
  exact <- binom.test(N[i, j], n)$conf.int
  # Goodman (1965): Wilson's quadratic with chi-square(1 - 0.05 / 4, 1)
  A <- qchisq(1 - 0.05 / 4, 1)
  goodman <- (A + 2 * N[i, j] + c(-1, 1) * sqrt(A * (A + 4 * N[i, j] * (n - N[i, j]) / n))) / (2 * (n + A))
  # Wilson on n / deff with t(active - 1): uniroot on the score statistic, not the formula; up to three effective
  # successes the lower limit of Brown, Cai and DasGupta (2001); nothing seen: the exact limit, deff of the row
  deff <- max(1, (jack[i, j] / sqrt(P[i, j] * (1 - P[i, j]) / n))^2)
  if (N[i, j] == 0) deff <- max(1, sum(jack[i, ]^2) / sum(P[i, ] * (1 - P[i, ]) / n))
  t <- qt(0.975, active[i] - 1)
  score <- function(p) (P[i, j] - p)^2 - t^2 * p * (1 - p) / (n / deff)
  clustered <- if (N[i, j] == 0) c(0, 1 - 0.025^(1 / (n / deff * (qnorm(0.975) / t)^2))) else c(uniroot(score, c(1e-12, P[i, j]), tol = 1e-14)$root, uniroot(score, c(P[i, j], 1 - 1e-12), tol = 1e-14)$root)
  if (N[i, j] > 0 && N[i, j] / deff <= 3) clustered[1] <- min(clustered[1], qgamma(0.05, N[i, j] / deff) / (n / deff))
  out <- rbind(out, data.frame(origin = i - 1, target = j - 1, count = N[i, j], n = n, partners = active[i], estimate = P[i, j],
    std_error = jack[i, j], sandwich = sandwich[i, j], deff = deff, wilson_low = wilson[1], wilson_high = wilson[2],
    exact_low = exact[1], exact_high = exact[2], goodman_low = goodman[1], goodman_high = goodman[2],
    clustered_low = clustered[1], clustered_high = clustered[2]))
}
write.csv(format(out, digits = 15), "transitions.csv", row.names = FALSE, quote = FALSE)
writeLines(capture.output(sessionInfo())[1:3], "sessionInfo.txt")
