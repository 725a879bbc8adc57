# Published data sets that come with R, and what R says of them: Rscript published.R (in this folder); writes the tables, values.csv and
# session.txt. MASS::housing and Melanoma, etm::abortion, survival::cgd.
suppressMessages({library(survival); library(etm); library(nnet); library(sandwich)})
out <- list()
keep <- function(case, key, quantity, value) out[[length(out) + 1]] <<- data.frame(case = case, key = key, quantity = quantity, value = value)
roots <- function(v) sqrt(diag(v))

# empirical-Bayes rows and homogeneity: satisfaction of 24 groups of tenants
h <- MASS::housing
h$group <- paste(h$Infl, h$Type, h$Cont)
write.csv(h[, c("group", "Sat", "Freq")], "housing.csv", row.names = FALSE, quote = FALSE)
counts <- unclass(xtabs(Freq ~ group + Sat, h))
test <- chisq.test(counts, correct = FALSE)
keep("housing", "", c("statistic", "df", "p_value"), c(test$statistic, test$parameter, test$p.value))
keep("housing", "", "likelihood", 2 * sum(counts * log(counts / test$expected)))
n <- rowSums(counts)
cost <- function(l) { a <- exp(l)
  -sum(lgamma(sum(a)) - lgamma(n + sum(a))) - sum(lgamma(sweep(counts, 2, a, "+"))) + nrow(counts) * sum(lgamma(a)) }
slope <- function(l) { a <- exp(l)
  -a * (sum(digamma(sum(a)) - digamma(n + sum(a))) + colSums(digamma(sweep(counts, 2, a, "+"))) - nrow(counts) * digamma(a)) }
fit <- list(par = log(10 * colSums(counts) / sum(n)))
for (again in 1:3) fit <- optim(fit$par, cost, slope, method = "BFGS", control = list(reltol = 1e-16, maxit = 1000))
a <- exp(fit$par)
keep("housing_prior", colnames(counts), "estimate", a)
share <- sweep(counts, 2, a, "+") / (n + sum(a))
keep("housing_rows", paste(rep(rownames(counts), 3), rep(colnames(counts), each = nrow(counts)), sep = ":"), "estimate", as.vector(share))
keep("housing_rows", rownames(counts), "weight", sum(a) / (n + sum(a)))

# discrete competing risks: death from melanoma or of other causes by the year, level by year, sex, thickness and ulcer
m <- MASS::Melanoma
m$year <- pmin(ceiling(m$time / 365.25), 9)
m$ended <- ifelse(m$time > 9 * 365.25, 0, c(1, 0, 2)[m$status])
m$patient <- seq_len(nrow(m))
m$how <- c("", "melanoma", "other")[m$ended + 1]
write.csv(m[, c("patient", "year", "how", "sex", "thickness", "ulcer")], "melanoma.csv", row.names = FALSE, quote = FALSE)
long <- m[rep(seq_len(nrow(m)), m$year), ]
long$t <- unlist(lapply(m$year, seq_len))
long$y <- factor(ifelse(long$t == long$year, long$ended, 0), 0:2)
long$lt <- log(long$t)
f <- multinom(y ~ lt + sex + thickness + ulcer, long, trace = FALSE, Hess = TRUE, reltol = 1e-16, abstol = 1e-12, maxit = 2000)
terms <- c("(intercept)", "log tenure", "sex", "thickness", "ulcer")
keys <- paste(rep(c("melanoma", "other"), each = 5), terms)
keep("melanoma", keys, "estimate", as.vector(t(coef(f))))
keep("melanoma", keys, "std_error", roots(solve(f$Hessian)))
ended <- function(b, row, times) {
  e <- exp(matrix(b, 2, 5, byrow = TRUE) %*% rbind(1, log(1:9), row[1], row[2], row[3]))
  hz <- t(e) / (1 + colSums(e)); stay <- cumprod(c(1, 1 - rowSums(hz)))[1:9]
  as.vector(apply(hz * stay, 2, cumsum)[times, ])
}
b <- as.vector(t(coef(f))); row <- c(1, 4, 1); times <- c(1, 5, 9)
slopes <- sapply(seq_along(b), function(j) { d <- replace(b * 0, j, 1e-5); (ended(b + d, row, times) - ended(b - d, row, times)) / 2e-5 })
keys <- paste(rep(c("melanoma", "other"), each = 3), times)
keep("melanoma_ended", keys, "estimate", ended(b, row, times))
keep("melanoma_ended", keys, "std_error", roots(slopes %*% solve(f$Hessian) %*% t(slopes)))

# competing risks with delayed entry: pregnancies of women exposed to coumarin derivatives or not, seen from some week on
data(abortion)
abortion$how <- c("induced", "birth", "spontaneous")[abortion$cause]
abortion$group <- c("control", "exposed")[abortion$group + 1]
write.csv(abortion[, c("id", "entry", "exit", "group", "how")], "abortion.csv", row.names = FALSE, quote = FALSE)
fit <- etmCIF(Surv(entry, exit, cause != 0) ~ group, abortion, etype = cause, failcode = 3)
for (g in 1:2) {
  e <- fit[[g]]
  for (t in c(10, 15, 25)) for (k in 1:3) {
    place <- max(which(e$time <= t)); cell <- paste("0", k)
    key <- paste(c("control", "exposed")[g], c("induced", "birth", "spontaneous")[k], t)
    keep("abortion", key, "estimate", e$est["0", as.character(k), place])
    keep("abortion", key, "std_error", sqrt(e$cov[cell, cell, place]))
  }
}
for (k in 1:3) {
  f <- coxph(Surv(entry, exit, cause == k) ~ group, abortion, ties = "efron")
  keep("abortion_cox", c("induced", "birth", "spontaneous")[k], c("estimate", "std_error"), c(coef(f), roots(vcov(f))))
}

# recurrent infections: Andersen and Gill, and conditional on how many before (Prentice, Williams and Peterson), robust by patient
g <- cgd[, c("id", "tstart", "tstop", "status", "enum", "treat", "age", "inherit")]
g$treat <- ifelse(g$treat == "placebo", "placebo", "rIFN"); g$inherit <- as.character(g$inherit)
write.csv(g, "cgd.csv", row.names = FALSE, quote = FALSE)
g$number <- pmin(g$enum, 3)
names <- c("treat", "age", "inherit")
f <- coxph(Surv(tstart, tstop, status) ~ treat + age + inherit, g, cluster = id)
keep("cgd_andersen_gill", names, "estimate", coef(f)); keep("cgd_andersen_gill", names, "std_error", roots(vcov(f)))
f <- coxph(Surv(tstart, tstop, status) ~ treat + age + inherit + strata(number), g, cluster = id)
keep("cgd_conditional", names, "estimate", coef(f)); keep("cgd_conditional", names, "std_error", roots(vcov(f)))
f <- coxph(Surv(tstop - tstart, status) ~ treat + age + inherit + strata(number), g, cluster = id)
keep("cgd_gap", names, "estimate", coef(f)); keep("cgd_gap", names, "std_error", roots(vcov(f)))
s <- survfit(Surv(tstart, tstop, status) ~ treat, g, id = id)
for (k in 1:2) {
  one <- survfit(Surv(tstart, tstop, status) ~ 1, g[g$treat == c("placebo", "rIFN")[k], ], id = id)
  t <- c(100, 200, 300); place <- sapply(t, function(x) max(which(one$time <= x)))
  keep("cgd_mean_number", paste(c("placebo", "rIFN")[k], t), "estimate", one$cumhaz[place])
  keep("cgd_mean_number", paste(c("placebo", "rIFN")[k], t), "std_error", one$std.chaz[place])
}

values <- do.call(rbind, out)
values$value <- formatC(values$value, digits = 15, format = "g")
write.csv(values, "values.csv", row.names = FALSE, quote = TRUE)
writeLines(c(R.version.string, sapply(c("survival", "etm", "nnet", "MASS"), function(p) paste(p, packageVersion(p)))), "session.txt")
