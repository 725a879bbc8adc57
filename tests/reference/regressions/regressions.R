# Reference numbers of the regressions: Rscript regressions.R (survival, cmprsk, MASS, nnet, ordinal, sandwich, clubSandwich)
suppressMessages({library(survival); library(cmprsk); library(nnet); library(ordinal); library(sandwich); library(clubSandwich)})
out <- NULL
keep <- function(case, names, estimate, error) {
  out <<- rbind(out, data.frame(case = case, name = names, estimate = as.numeric(estimate), error = as.numeric(error)))
}
roots <- function(v) sqrt(diag(v))

# recurrent deals: Andersen-Gill, and Prentice-Williams-Peterson in total and gap time
r <- read.csv("recurrent.csv")
terms <- c("arm", "size", "region=S", "region=W")
for (ties in c("efron", "breslow")) {
  f <- coxph(Surv(entry, duration, event) ~ arm + size + region, r, ties = ties, cluster = partner)
  keep(paste0("ag_", ties), terms, coef(f), roots(f$var))
  keep(paste0("ag_", ties, "_model"), terms, coef(f), roots(f$naive.var))
}
f <- coxph(Surv(entry, duration, event) ~ arm + size + region + strata(spell), r, cluster = partner)
keep("pwp_total", terms, coef(f), roots(f$var))
f <- coxph(Surv(duration - entry, event) ~ arm + size + region + strata(spell), r, cluster = partner)
keep("pwp_gap", terms, coef(f), roots(f$var))
r$w <- 1 + r$partner %% 3
f <- coxph(Surv(entry, duration, event) ~ arm + size, r, weights = w, cluster = partner)
keep("ag_weighted", c("arm", "size"), coef(f), roots(f$var))
one <- r[r$spell == 1, ]
f <- coxph(Surv(duration, event) ~ arm + size + region, one)
new <- data.frame(arm = c(0, 1), size = c(0, 1), region = c("N", "W"))
for (k in 1:2) {
  s <- summary(survfit(f, newdata = new[k, ]), times = c(5, 10, 20))
  keep(paste0("survfit_", k), c(5, 10, 20), s$cumhaz, s$std.err / s$surv)
}
z <- cox.zph(coxph(Surv(entry, duration, event) ~ arm + size + region + strata(spell), r), "km")$table
keep("zph_km", rownames(z), z[, "chisq"], z[, "df"])
z <- cox.zph(coxph(Surv(entry, duration, event) ~ arm + size + region, r), "log")$table
keep("zph_log", rownames(z), z[, "chisq"], z[, "df"])

# two ways of leaving
d <- read.csv("competing.csv")
late <- d[d$entry == 0, ]
f <- crr(late$duration, late$event, cbind(late$arm, late$size))
keep("crr", c("arm", "size"), f$coef, roots(f$var))
d$way <- factor(d$event, 0:2)
fg <- finegray(Surv(entry, duration, way) ~ ., d, etype = "1", id = partner)
f <- coxph(Surv(fgstart, fgstop, fgstatus) ~ arm + size, fg, weights = fgwt, cluster = partner)
keep("finegray_late", c("arm", "size"), coef(f), roots(f$var))
plain <- coxph(Surv(fgstart, fgstop, fgstatus) ~ arm + size, fg, weights = fgwt, robust = FALSE)
for (k in 1:2) {
  row <- data.frame(arm = k - 1, size = c(0.5, -1)[k])
  for (kind in c("cluster", "model")) {
    s <- summary(survfit(if (kind == "cluster") f else plain, newdata = row), times = c(4, 8, 12))
    keep(paste("finegray_risk", kind, k, sep = "_"), c(4, 8, 12), 1 - s$surv, s$std.err)
  }
}
long <- d[rep(seq_len(nrow(d)), d$duration - d$entry), ]
long$tenure <- long$entry + unlist(lapply(d$duration - d$entry, seq_len))
long$y <- ifelse(long$tenure == long$duration, long$event, 0)
long$lt <- log(long$tenure)
for (link in c("cloglog", "logit")) {
  f <- glm(y > 0 ~ lt + arm + size, binomial(link), long, epsilon = 1e-14)
  names <- c("(intercept)", "log tenure", "arm", "size")
  keep(paste0("hazard_", link), names, coef(f), roots(vcov(f)))
  keep(paste0("hazard_", link, "_cluster"), names, coef(f), roots(vcovCL(f, ~manager, type = "HC0", cadjust = FALSE)))
  # CR3 leaves out one cluster at a time, linearised; ours times (G - 1) / G
  if (link == "logit") keep("hazard_logit_jackknife", names, coef(f), roots(vcovCR(f, long$manager, "CR3")) * sqrt(23 / 24))
}
# discrete competing risks
m <- multinom(factor(y) ~ lt + arm + size, long, trace = FALSE, Hess = TRUE, reltol = 1e-15, maxit = 1000)
names <- c("(intercept)", "log tenure", "arm", "size")
keep("competing_hazards", paste(rep(1:2, each = 4), names), t(coef(m)), roots(solve(m$Hessian)))
# the share that has ended in each way by a time, delta method by numerical derivatives
ended <- function(beta, row, times) {
  B <- matrix(beta, 2, 4, byrow = TRUE)
  e <- exp(B %*% rbind(1, log(1:12), row[1], row[2]))
  h <- t(e) / (1 + colSums(e))
  stay <- cumprod(c(1, 1 - rowSums(h)))[1:12]
  as.vector(apply(h * stay, 2, cumsum)[times, ])
}
for (k in 1:2) {
  row <- c(k - 1, c(0.5, -1)[k])
  b <- as.vector(t(coef(m)))
  slope <- sapply(seq_along(b), function(j) {
    up <- b; down <- b; up[j] <- up[j] + 1e-5; down[j] <- down[j] - 1e-5
    (ended(up, row, c(1, 4, 10)) - ended(down, row, c(1, 4, 10))) / 2e-5
  })
  keep(paste0("competing_risks_", k), paste(rep(1:2, each = 3), c(1, 4, 10)), ended(b, row, c(1, 4, 10)),
       roots(slope %*% solve(m$Hessian) %*% t(slope)))
}

# moves between tiers
p <- read.csv("moves.csv")
p$y <- factor(ifelse(p$to_tier == 2, "stay", ifelse(p$to_tier == 1, "up", "down")), c("stay", "down", "up"))
m <- multinom(y ~ tenure + size + region, p, trace = FALSE, Hess = TRUE, reltol = 1e-15, maxit = 1000)
names <- c("(intercept)", "tenure", "size", "region=S", "region=W")
keep("moves_model", paste(rep(c("down", "up"), each = 5), names), t(coef(m)), roots(solve(m$Hessian)))
X <- model.matrix(m)
P <- fitted(m)
scores <- do.call(cbind, lapply(2:3, function(k) X * ((as.integer(p$y) == k) - P[, k])))
meat <- crossprod(rowsum(scores, p$partner))
V <- solve(m$Hessian) %*% meat %*% solve(m$Hessian)
keep("moves_cluster", paste(rep(c("down", "up"), each = 5), names), t(coef(m)), roots(V))
# average marginal effects, delta method by numerical derivatives
chances <- function(b, X) { e <- cbind(1, exp(X %*% t(matrix(b, 2, byrow = TRUE)))); e / rowSums(e) }
ame <- function(b, term) {
  if (term == "size") { h <- 1e-4; up <- down <- X; up[, 3] <- X[, 3] + h; down[, 3] <- X[, 3] - h; return(colMeans(chances(b, up) - chances(b, down)) / (2 * h)) }
  up <- down <- X; up[, 4:5] <- down[, 4:5] <- 0; up[, 5] <- 1; colMeans(chances(b, up) - chances(b, down))
}
b <- as.numeric(t(coef(m)))
for (term in c("size", "region=W")) {
  J <- sapply(seq_along(b), function(j) { h <- replace(numeric(length(b)), j, 1e-5); (ame(b + h, term) - ame(b - h, term)) / 2e-5 })
  keep("marginal", paste(c("stay", "down", "up"), term), ame(b, term), roots(J %*% V %*% t(J)))
}
p$o <- ordered(5 - p$to_tier)
f <- clm(o ~ tenure + size + region, data = p, control = list(gradTol = 1e-10))
keep("ordinal", c("above 4", "above 3", "above 2", "tenure", "size", "region=S", "region=W"), coef(f), roots(vcov(f)))
n <- nominal_test(f)
keep("nominal", rownames(n)[-1], n$LRT[-1], n$Df[-1])
f <- clm(o ~ tenure + region, nominal = ~size, data = p, control = list(gradTol = 1e-10))
keep("partial", c("loglik"), as.numeric(logLik(f)), attr(logLik(f), "df"))

# Firth's logit where one arm never fails, by its modified score
firth <- function(X, y) {
  b <- numeric(ncol(X))
  for (i in 1:200) {
    q <- 1 / (1 + exp(-X %*% b)); w <- as.numeric(q * (1 - q)); I <- crossprod(X, X * w)
    h <- rowSums((X * w) %*% solve(I) * X)
    b <- b + solve(I, crossprod(X, y - q + h * (0.5 - q)))
  }
  list(b, roots(solve(I)))
}
d$sep <- as.integer(d$arm == 1 & d$event == 1)
f <- firth(cbind(1, d$sep, d$size), as.numeric(d$event > 0))
keep("firth", c("(intercept)", "sep", "size"), f[[1]], f[[2]])
write.csv(format(out, digits = 15), "regressions.csv", row.names = FALSE, quote = FALSE)
writeLines(capture.output(sessionInfo())[1:3], "sessionInfo.txt")
