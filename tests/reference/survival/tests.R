# Reference numbers for tests between groups, scales of intervals, life tables, and scores of predictions.
# Run in this folder, after survival.R: Rscript tests.R
# Reads spells.csv; writes holdout.csv (seeded) and tests.csv (what R says).
library(survival)
library(cmprsk)
library(etm)
RNGversion("4.2.0")
spells <- read.csv("spells.csv", stringsAsFactors = FALSE)
spells$ended <- spells$event != ""
first <- spells[spells$spell == 1, ]
late <- first[first$entry == 0, ]

values <- data.frame()
keep <- function(case, group, time, quantity, value) {
  values <<- rbind(values, data.frame(case = case, group = group, time = time, quantity = quantity, value = as.numeric(value)))
}

# scales of the curve's interval
for (scale in c("log", "plain", "log-log")) {
  fit <- survfit(Surv(entry, duration, ended) ~ 1, data = first, conf.type = scale)
  keep(paste0("curve_", scale), "", fit$time, "conf_low", fit$lower)
  keep(paste0("curve_", scale), "", fit$time, "conf_high", fit$upper)
  q <- quantile(fit, c(0.25, 0.5))
  keep(paste0("quantile_", scale), "", c(0.25, 0.5), "conf_low", q$lower)
  keep(paste0("quantile_", scale), "", c(0.25, 0.5), "conf_high", q$upper)
}
fit <- survfit(Surv(entry, duration, ended) ~ 1, data = spells, cluster = partner, robust = TRUE)
keep("nelson_aalen_clustered", "", fit$time, "cumulative_hazard_se", fit$std.chaz)

# weighted log-rank tests by their definition: sums over risk sets, hypergeometric variance
times <- sort(unique(late$duration[late$ended]))
groups <- sort(unique(late$region))
surv <- summary(survfit(Surv(duration, ended) ~ 1, data = late), times = times)$surv
before <- c(1, surv[-length(surv)])
for (name in c("gehan", "tarone-ware", "late", "middle")) {
  gap <- numeric(3)
  covariance <- matrix(0, 3, 3)
  for (k in seq_along(times)) {
    n <- sapply(groups, function(g) sum(late$region == g & late$duration >= times[k]))
    d <- sapply(groups, function(g) sum(late$region == g & late$duration == times[k] & late$ended))
    w <- switch(name, gehan = sum(n), "tarone-ware" = sqrt(sum(n)), late = 1 - before[k], middle = sqrt(before[k] * (1 - before[k])))
    gap <- gap + w * (d - sum(d) * n / sum(n))
    if (sum(n) > 1) covariance <- covariance + w^2 * sum(d) * (sum(n) - sum(d)) / (sum(n) - 1) * (diag(n / sum(n)) - outer(n, n) / sum(n)^2)
  }
  keep("weighted", name, NA, "statistic", t(gap[1:2]) %*% solve(covariance[1:2, 1:2]) %*% gap[1:2])
}
# survdiff's own family, as a check of the sums above, and the trend of ordered groups
rho <- survdiff(Surv(duration, ended) ~ region, data = late, rho = 0)
score <- 1:3
gap <- rho$obs - rho$exp
keep("trend", "", NA, "statistic", sum(score * gap)^2 / (t(score) %*% rho$var %*% score))

# Gray's test
late$code <- match(late$event, c("", "demotion", "lapsed", "promotion")) - 1
gray <- cuminc(late$duration, late$code, late$region)$Tests
for (k in 1:3) keep("gray", c("demotion", "lapsed", "promotion")[k], NA, "statistic", gray[k, "stat"])
for (k in 1:3) keep("gray", c("demotion", "lapsed", "promotion")[k], NA, "p_value", gray[k, "pv"])

# ways of leaving with delayed entry: etm
transitions <- data.frame(id = seq_len(nrow(first)), entry = first$entry, exit = first$duration, from = 0,
  to = ifelse(first$event == "", "cens", match(first$event, c("demotion", "lapsed", "promotion"))))
tra <- matrix(FALSE, 4, 4)
tra[1, 2:4] <- TRUE
fit <- etm(transitions, c("0", "1", "2", "3"), tra, "cens", s = 0)
for (k in 1:3) {
  name <- c("demotion", "lapsed", "promotion")[k]
  cell <- paste("0", k)
  keep("etm", name, fit$time, "estimate", fit$est["0", as.character(k), ])
  keep("etm", name, fit$time, "std_error", sqrt(fit$cov[cell, cell, ]))
}

# a hold-out with two predictions of the risk by three times: scores of censored predictions
set.seed(20262)
n <- 180
linear <- rnorm(n)
second <- linear + rnorm(n)
time <- pmax(1, ceiling(rexp(n, 0.08 * exp(0.8 * linear))))
censoring <- pmax(1, ceiling(rexp(n, 0.05)))
way <- ifelse(time <= censoring, ifelse(runif(n) < 0.7, "lapsed", "demotion"), "")
holdout <- data.frame(partner = sprintf("q%03d", 1:n), duration = pmin(time, censoring), event = way,
  first = round(linear, 3), second = round(second, 3))
write.csv(holdout, "holdout.csv", row.names = FALSE, quote = TRUE)
holdout$ended <- holdout$event != ""
risk <- function(score, t) 1 - exp(-0.08 * t * exp(0.8 * score))
for (model in c("first", "second")) {
  score <- holdout[[model]]
  harrell <- concordance(Surv(duration, ended) ~ score, data = holdout, reverse = TRUE)
  uno <- concordance(Surv(duration, ended) ~ score, data = holdout, reverse = TRUE, timewt = "n/G2")
  cut <- concordance(Surv(duration, ended) ~ score, data = holdout, reverse = TRUE, timewt = "n/G2", ymax = 8)
  keep("concordance", model, NA, c("estimate", "std_error"), c(harrell$concordance, sqrt(harrell$var)))
  keep("uno", model, NA, c("estimate", "std_error"), c(uno$concordance, sqrt(uno$var)))
  keep("uno_8", model, 8, c("estimate", "std_error"), c(cut$concordance, sqrt(cut$var)))
}
both <- concordance(coxph(Surv(duration, ended) ~ first, data = holdout), coxph(Surv(duration, ended) ~ second, data = holdout))
keep("concordance_gap", "", NA, c("estimate", "std_error"), c(diff(both$concordance), sqrt(t(c(-1, 1)) %*% vcov(both) %*% c(-1, 1))))

library(riskRegression)
library(prodlim)
at <- c(4, 8, 12)
tables <- list(first = sapply(at, function(t) risk(holdout$first, t)), second = sapply(at, function(t) risk(holdout$second, t)))
scored <- Score(tables, Hist(duration, ended) ~ 1, data = holdout, times = at, metrics = c("brier", "auc"), null.model = TRUE,
  conf.int = TRUE, cens.model = "km", summary = NULL)
brier <- as.data.frame(scored$Brier$score)
keep("brier", as.character(brier$model), brier$times, "estimate", brier$Brier)
keep("brier", as.character(brier$model), brier$times, "std_error", brier$se)
auc <- as.data.frame(scored$AUC$score)
keep("auc", as.character(auc$model), auc$times, "estimate", auc$AUC)
keep("auc", as.character(auc$model), auc$times, "std_error", auc$se)
holdout$code <- match(holdout$event, c("", "lapsed", "demotion")) - 1
scored <- Score(tables, Hist(duration, code) ~ 1, data = holdout, times = at, cause = 1, metrics = c("brier", "auc"), null.model = TRUE,
  conf.int = TRUE, cens.model = "km", summary = NULL)
brier <- as.data.frame(scored$Brier$score)
keep("brier_competing", as.character(brier$model), brier$times, "estimate", brier$Brier)
keep("brier_competing", as.character(brier$model), brier$times, "std_error", brier$se)
auc <- as.data.frame(scored$AUC$score)
keep("auc_competing", as.character(auc$model), auc$times, "estimate", auc$AUC)
keep("auc_competing", as.character(auc$model), auc$times, "std_error", auc$se)

# standard errors of Brier score and area by their definition: the derivative of the score by each spell's weight
scores_of <- function(weight, cause, t, p) {
  # endings come before censorings at the same time
  end <- holdout$duration + ifelse(holdout$ended, 0, 0.5)
  censoring <- survfit(Surv(end, !holdout$ended) ~ 1, weights = weight)
  g <- stepfun(censoring$time, c(1, censoring$surv))
  known <- ifelse(holdout$duration <= t & holdout$ended, 1 / g(end - 0.25), ifelse(holdout$duration > t, 1 / g(t + 0.75), 0)) * weight
  hit <- holdout$duration <= t & holdout$ended & holdout$code %in% cause
  wins <- outer(p[hit], p[!hit], ">") + 0.5 * outer(p[hit], p[!hit], "==")
  c(brier = sum(known * (hit - p)^2) / sum(weight), auc = sum(known[hit] %o% known[!hit] * wins) / (sum(known[hit]) * sum(known[!hit])))
}
for (t in at) for (model in c("first", "second")) for (case in c("", "_competing")) {
  p <- risk(holdout[[model]], t)
  cause <- if (case == "") 1:2 else 1
  slopes <- sapply(seq_len(n), function(i) {
    up <- down <- rep(1, n)
    up[i] <- 1 + 1e-4
    down[i] <- 1 - 1e-4
    (scores_of(up, cause, t, p) - scores_of(down, cause, t, p)) / 2e-4
  })
  for (name in c("brier", "auc")) keep(paste0(name, case, "_slopes"), model, t, "std_error", sqrt(sum(slopes[name, ]^2)))
}

# calibration: observed by Kaplan-Meier against expected, and pseudo-values regressed on the prediction
for (t in at) {
  fit <- survfit(Surv(duration, ended) ~ 1, data = holdout)
  all <- summary(fit, times = t)$surv
  pseudo <- sapply(seq_len(n), function(i) {
    without <- summary(survfit(Surv(duration, ended) ~ 1, data = holdout[-i, ]), times = t, extend = TRUE)$surv
    n * (1 - all) - (n - 1) * (1 - without)
  })
  p <- risk(holdout$first, t)
  x <- log(-log(1 - p))
  # quasi-likelihood with constant variance and cloglog link, robust variance, by Gauss-Newton steps
  solve_for <- function(design, offset) {
    b <- c(rep(0, ncol(design) - 1), if (ncol(design) > 1) 1 else 0)
    for (step in 1:200) {
      eta <- offset + drop(design %*% b)
      slope <- exp(eta - exp(eta))
      scores <- design * slope * (pseudo - 1 + exp(-exp(eta)))
      bread <- solve(crossprod(design * slope))
      b <- b + drop(bread %*% colSums(scores))
    }
    list(b = b, se = sqrt(diag(bread %*% crossprod(scores) %*% bread)))
  }
  both <- solve_for(cbind(1, x), 0 * x)
  keep("calibration", "slope", t, c("estimate", "std_error"), c(both$b[2], both$se[2]))
  large <- solve_for(cbind(rep(1, n)), x)
  keep("calibration", "intercept", t, c("estimate", "std_error"), c(large$b, large$se))
  keep("calibration", "observed", t, "estimate", 1 - all)
  keep("calibration", "expected", t, "estimate", mean(p))
}

values$value <- ifelse(is.na(values$value), NA, sprintf("%.15g", values$value))
write.csv(values, "tests.csv", row.names = FALSE, quote = FALSE)
write(paste(c("cmprsk", "etm", "riskRegression"), sapply(c("cmprsk", "etm", "riskRegression"), function(p) as.character(packageVersion(p)))),
  "session.txt", append = TRUE)
