# Generators behind a published rating matrix, by base R and expm: Rscript embedding.R (in this folder); writes values.csv, session.txt.
# ratings.csv: one-year moves in per cent, Standard & Poor's 1981-2000, adjusted for withdrawn ratings, as printed in textbooks.
suppressMessages(library(expm))
shares <- as.matrix(read.csv("ratings.csv", row.names = 1))
counts <- round(shares * 10)                      # as of 1,000 firms in each rating
counts[8, ] <- 0
shares <- shares / rowSums(shares)
s <- nrow(shares)
out <- list()
keep <- function(method, m) out[[length(out) + 1]] <<- data.frame(
  method = method, from = rep(rownames(shares), s), to = rep(colnames(shares), each = s), value = as.vector(m))
log <- logm(shares, method = "Eigen")
keep("logarithm", log)
off <- row(log) != col(log)

# Israel, Rosenthal and Wei (2001): diagonal adjustment, and the weighted one (their G_i and B_i)
da <- ifelse(off, pmax(log, 0), 0); diag(da) <- -rowSums(da); keep("diagonal", da)
wa <- log
for (i in 1:s) {
  good <- abs(log[i, i]) + sum(pmax(log[i, -i], 0)); bad <- sum(pmax(-log[i, -i], 0))
  for (j in 1:s) wa[i, j] <- if (i != j && log[i, j] < 0) 0 else if (good > 0) log[i, j] - bad * abs(log[i, j]) / good else 0
}
keep("weighted", wa)

# quasi-optimisation by trying every set of intensities that may be above 0: least squares over each, the best feasible one
qo <- log * 0
for (i in 1:s) {
  least <- Inf; others <- setdiff(1:s, i)
  for (code in 0:(2^(s - 1) - 1)) {
    free <- others[bitwAnd(code, 2^(0:(s - 2))) > 0]
    q <- numeric(s); k <- length(free)
    if (k) {  # q_j = a_j - mu, mu = q_out + a_i with q_out = sum of the free ones
      mu <- (sum(log[i, free]) + log[i, i]) / (k + 1)
      q[free] <- log[i, free] - mu
    }
    q[i] <- -sum(q[-i])
    if (all(q[-i] >= -1e-15) && sum((q - log[i, ])^2) < least) { least <- sum((q - log[i, ])^2); qo[i, ] <- q }
  }
}
keep("quasi_optimal", qo)

# expectation-maximisation (Bladt and Sorensen 2005), step by step: expected time in each state and moves, given the ends
q <- ifelse(off, 0.05, 0); q[s, ] <- 0; diag(q) <- -rowSums(q)
value <- function(q) { p <- expm(q); sum(counts[counts > 0] * base::log(p[counts > 0])) }
for (step in 1:20000) {
  p <- expm(q); stays <- numeric(s); moves <- matrix(0, s, s)
  weight <- ifelse(counts > 0, counts / p, 0)
  # integral of exp(qu)' weight exp(q(1-u))' in one exponential
  inner <- expm(rbind(cbind(t(q), weight), cbind(matrix(0, s, s), t(q))))[1:s, (s + 1):(2 * s)]
  stays <- diag(inner); moves <- q * inner
  new <- ifelse(off & stays > 0, moves / stays, 0); new[s, ] <- 0; diag(new) <- 0; diag(new) <- -rowSums(new)
  change <- max(abs(new - q)); q <- new
  if (change < 1e-13) break
}
keep("likelihood", q)
out[[length(out) + 1]] <- data.frame(method = "likelihood", from = "value", to = "", value = value(q))
near <- function(r) { m <- matrix(0, s, s); m[1:7, ][off[1:7, ]] <- exp(r); diag(m) <- -rowSums(m); 1e4 * sum((expm(m) - shares)^2) }
start <- base::log(pmax(qo[1:7, ][off[1:7, ]], 1e-6))
best <- list(par = start)
for (again in 1:4) best <- nlminb(best$par, near, lower = -16, control = list(eval.max = 5000, iter.max = 5000, rel.tol = 1e-14))
best$value <- best$objective
out[[length(out) + 1]] <- data.frame(method = "nearest", from = "distance", to = "", value = sqrt(best$value / 1e4))
keep("root", expm(log / 4))
values <- do.call(rbind, out)
values$value <- formatC(values$value, digits = 15, format = "g")
write.csv(values, "values.csv", row.names = FALSE, quote = FALSE)
writeLines(c(R.version.string, paste("expm", packageVersion("expm"))), "session.txt")
cat(step, change, value(q), sqrt(best$value / 1e4), best$convergence, "\n")
