# Areas under curves adjusted for what was known before, on strata.csv: Rscript areas.R, in this folder; writes areas_values.csv
# each unit's share in its arm's area is survival's infinitesimal jackknife (residuals of survfit, type "auc", times the units), and
# once more written out by hand from the counts at risk; then least squares with clubSandwich's CR2 and Satterthwaite's degrees of freedom
suppressMessages({library(clubSandwich); library(survival)})
d <- read.csv("strata.csv"); tau <- 3; n <- nrow(d)
share_in_area <- function(rows) {
  mine <<- Surv(d$months[rows], d$seen[rows])
  fit <- survfit(mine ~ 1)
  area <- summary(fit, rmean = tau)$table[["rmean"]]
  area + length(rows) * as.vector(residuals(fit, times = tau, type = "auc"))
}
by_hand <- function(rows) {
  t <- d$months[rows]; e <- d$seen[rows]; m <- length(rows)
  at <- sort(unique(t[e == 1 & t <= tau])); risk <- sapply(at, function(s) sum(t >= s)); dead <- sapply(at, function(s) sum(t == s & e == 1))
  surv <- cumprod(1 - dead / risk); steps <- c(at, tau)
  area <- at[1] + sum(surv * diff(steps))
  left <- rev(cumsum(rev(surv * diff(steps))))          # area from each event on
  # Greenwood's form: an event at s takes left(s) / (risk - dead), and being at risk gives dead times that over the risk
  w <- m * left / ifelse(risk > dead, risk - dead, Inf)
  sapply(seq_along(t), function(i) area - sum(w * ((at == t[i] & e[i] == 1) - (at <= t[i]) * dead / risk)))
}
scores <- function(groups, f) { z <- numeric(n); for (g in unique(groups)) { k <- which(groups == g); z[k] <- f(k) }; z }
out <- list()
say <- function(case, m, cluster) { t <- coef_test(m, vcovCR(m, cluster, "CR2"), test = "Satterthwaite")
  out[[case]] <<- c(t[2, "beta"], t[2, "SE"], t[2, "df_Satt"]) }
xc <- d$before - mean(d$before); bc <- (d$block == 2) - mean(d$block == 2)
z <- scores(d$by_unit, share_in_area)
stopifnot(max(abs(scores(d$by_unit, by_hand) - z)) < 1e-9)
say("one slope", lm(z ~ by_unit + xc, d), 1:n)
say("slopes by arm", lm(z ~ by_unit * xc, d), 1:n)
b <- scores(paste(d$by_unit, d$block), share_in_area)
stopifnot(max(abs(scores(paste(d$by_unit, d$block), by_hand) - b)) < 1e-9)
say("blocks, one slope", lm(b ~ by_unit * bc + xc, d), 1:n)
say("blocks, slopes by arm", lm(b ~ by_unit * (bc + xc), d), 1:n)
m <- scores(d$by_manager, share_in_area)
stopifnot(max(abs(scores(d$by_manager, by_hand) - m)) < 1e-9)
say("managers, one slope", lm(m ~ by_manager + xc, d), d$manager)
say("managers, slopes by arm", lm(m ~ by_manager * xc, d), d$manager)
o <- do.call(rbind, out)
write.csv(data.frame(case = rownames(o), estimate = o[, 1], std_error = o[, 2], df = o[, 3]), "areas_values.csv", row.names = FALSE)
