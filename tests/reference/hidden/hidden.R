# Transition probabilities behind readings with a known misclassification, by R msm.
# Rscript hidden.R  (reads readings.csv, writes values.csv and sessionInfo.txt)
library(msm)
table <- read.csv("readings.csv")
table$tier <- table$tier + 1
table <- table[table$unit %in% names(which(table(table$unit) > 1)), ]
start <- rbind(c(-.2, .15, .05), c(.1, -.2, .1), c(.05, .1, -.15))
reading <- rbind(c(.85, .12, .03), c(.10, .80, .10), c(.02, .13, .85))
fit <- msm(tier ~ time, subject = unit, data = table, qmatrix = start, ematrix = reading, fixedpars = 7:12,
           initprobs = c(1, 1, 1) / 3, est.initprobs = TRUE, method = "BFGS",
           control = list(reltol = 1e-15, maxit = 5000, fnscale = 4000))
matrix <- pmatrix.msm(fit, t = 1)
# delta method on the logarithms of the intensities
estimates <- fit$estimates[1:6]
covariance <- fit$covmat[1:6, 1:6]
probabilities <- function(logs) {
  q <- matrix(0, 3, 3)
  q[cbind(c(1, 1, 2, 2, 3, 3), c(2, 3, 1, 3, 1, 2))] <- exp(logs)
  diag(q) <- -rowSums(q)
  as.vector(t(MatrixExp(q)))
}
width <- 1e-5
jacobian <- sapply(1:6, function(k) {
  step <- replace(numeric(6), k, width)
  (probabilities(estimates + step) - probabilities(estimates - step)) / (2 * width)
})
errors <- sqrt(diag(jacobian %*% covariance %*% t(jacobian)))
path <- viterbi.msm(fit)
first <- path[path$subject == path$subject[1], ]
values <- rbind(
  data.frame(name = paste0("p", rep(1:3, each = 3), rep(1:3, 3)), value = as.vector(t(matrix)), error = errors),
  data.frame(name = "minus2loglik", value = fit$minus2loglik, error = NA),
  data.frame(name = paste0("first_", seq_len(nrow(first)), "_", rep(1:3, each = nrow(first))),
             value = as.vector(as.matrix(first$pstate)), error = NA)
)
values$value <- format(values$value, digits = 15)
write.csv(values, "values.csv", row.names = FALSE, quote = FALSE)
writeLines(c(R.version.string, paste("msm", packageVersion("msm"))), "sessionInfo.txt")
