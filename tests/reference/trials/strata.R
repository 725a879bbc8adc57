# Trials in which the share treated differs by block: Rscript strata.R, in this folder; writes strata.csv and strata_values.csv
# ratios combined over blocks (Cochran 1977, 6.11), areas by block and over weighted curves (survival), wins weighted, CR2 (clubSandwich),
# signs of managers and deals of managers gone through by hand
suppressMessages({library(clubSandwich); library(survival)})
set.seed(23)
size <- c(4, 7, 5, 6, 8, 3, 6, 9, 5, 7, 4, 8)
manager <- rep(1:12, times = size)
block <- rep(1:2, times = c(5, 7))[manager]
n <- length(manager)
by_manager <- c(1, 0, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0)[manager]
by_unit <- ifelse(block == 1, rbinom(n, 1, .7), rbinom(n, 1, .3))
before <- round(rnorm(n, 10, 3), 2)
visits <- rpois(n, c(3, 9)[block]) + 1
leads <- rbinom(n, visits, plogis(c(-1.5, 0)[block] + .05 * (before - 10) + .2 * by_unit))
months <- round(rexp(n, c(.35, .12)[block] * exp(-.2 * by_unit)) + .01, 2)
last <- round(runif(n, c(5, 3)[block], 12), 2)
seen <- as.numeric(months <= last); months <- pmin(months, last)
tier <- pmin(rbinom(n, 3, plogis(c(-.8, .5)[block] + .3 * by_unit)) + 1, 4)
y <- round(5 + 2 * block + .3 * (before - 10) + .6 * by_manager + rnorm(12)[manager] + rnorm(n), 2)
d <- data.frame(block, manager, by_unit, by_manager, before, visits, leads, months, seen, tier, y)
share <- as.numeric(table(block)) / n
out <- list()
add <- function(case, est, se = NA, df = NA) out[[case]] <<- c(est, se, df)
within <- function(z) { r <- sapply(1:2, function(b) { a <- z[block == b & by_unit == 1]; o <- z[block == b & by_unit == 0]
  c(mean(a) - mean(o), var(a) / length(a) + var(o) / length(o)) }); c(sum(share * r[1, ]), sqrt(sum(share^2 * r[2, ]))) }
mean_of <- function(z, arm) sum(share * sapply(1:2, function(b) mean(z[block == b & by_unit == arm])))
z <- numeric(n)
for (a in 0:1) { k <- by_unit == a; x <- mean_of(visits, a); r <- mean_of(leads, a) / x; z[k] <- r + (leads[k] - r * visits[k]) / x }
add("ratio", mean_of(leads, 1) / mean_of(visits, 1) - mean_of(leads, 0) / mean_of(visits, 0), within(z)[2])
bd <- (block == 2) - mean(block == 2); xc <- before - mean(before)
m <- lm(z ~ by_unit * bd + xc); t <- coef_test(m, vcovCR(m, 1:n, "CR2"), test = "Satterthwaite")
add("ratio, one slope", t[2, "beta"], t[2, "SE"], t[2, "df_Satt"])
m <- lm(z ~ by_unit * (bd + xc)); t <- coef_test(m, vcovCR(m, 1:n, "CR2"), test = "Satterthwaite")
add("ratio, slopes by arm", t[2, "beta"], t[2, "SE"], t[2, "df_Satt"])
# areas: a curve for each arm of each block; Greenwood's variance with n / (n - 1)
area <- function(tau) { f <- summary(survfit(Surv(months, seen) ~ by_unit + block, d), rmean = tau)$table; on <- grepl("by_unit=1", rownames(f))
  v <- f[, "se(rmean)"]^2 * f[, "records"] / (f[, "records"] - 1)
  c(sum(share * (f[on, "rmean"] - f[!on, "rmean"])), sqrt(sum(share^2 * (v[on] + v[!on])))) }
r <- area(3); add("area by block", r[1], r[2])
# wins over all pairs of units, each counted as its block asks
q <- numeric(n); for (b in 1:2) for (a in 0:1) { k <- block == b & by_unit == a; q[k] <- share[b] / sum(k) }
on <- by_unit == 1
win <- outer(tier[on], tier[!on], function(a, b) sign(a - b)); add("wins", sum(win * outer(q[on], q[!on])))
w <- numeric(n); w[on] <- as.numeric(win %*% q[!on]); w[!on] <- -as.numeric(q[on] %*% win); out$wins[2] <- within(w)[2]
# where a curve of a block is not known until then, one weighted curve for each arm
late <- 5.5; k <- !(block == 1 & by_unit == 0 & months > 4.5)
add("area over weighted curves", NA)
d2 <- d[k, ]; n2 <- nrow(d2); q2 <- numeric(n2)
for (b in 1:2) for (a in 0:1) { j <- d2$block == b & d2$by_unit == a; q2[j] <- mean(d2$block == b) / sum(j) }
d2$seen[d2$block == 1 & d2$by_unit == 0 & d2$months == max(d2$months[d2$block == 1 & d2$by_unit == 0])] <- 0
f <- summary(survfit(Surv(months, seen) ~ by_unit, d2, weights = q2), rmean = late)$table; add("area over weighted curves", f[2, "rmean"] - f[1, "rmean"])
write.csv(d2, "strata_late.csv", row.names = FALSE)
# managers dealt within blocks, other shares in each
bm <- (block == 2) - mean(block == 2)
m <- lm(y ~ by_manager * bm); t <- coef_test(m, vcovCR(m, manager, "CR2"), test = "Satterthwaite")
add("clusters", t[2, "beta"], t[2, "SE"], t[2, "df_Satt"])
m <- lm(y ~ by_manager * (bm + xc)); t <- coef_test(m, vcovCR(m, manager, "CR2"), test = "Satterthwaite")
add("clusters, slopes by arm", t[2, "beta"], t[2, "SE"], t[2, "df_Satt"])
wild <- function(X) {
  null <- lm.fit(X[, -2], y); bread <- solve(crossprod(X))
  tval <- function(yy) { f <- lm.fit(X, yy); V <- bread %*% crossprod(rowsum(X * f$residuals, manager)) %*% bread; f$coefficients[[2]] / sqrt(V[2, 2]) }
  ways <- as.matrix(expand.grid(rep(list(c(-1, 1)), 12))); ts <- apply(ways, 1, function(v) tval(null$fitted.values + null$residuals * v[manager]))
  mean(abs(ts) >= abs(tval(y)) * (1 - 1e-9)) }
add("wild, within blocks", wild(cbind(1, by_manager, bm, by_manager * bm)))
add("wild, within blocks, slopes by arm", wild(cbind(1, by_manager, bm, xc, by_manager * bm, by_manager * xc)))
# deals of managers within blocks, three of five and two of seven: means over units of what blocks leave
rest <- residuals(lm(y ~ factor(block)))
stat <- function(chosen) { k <- manager %in% chosen; abs(mean(rest[k]) - mean(rest[!k])) }
deals <- unlist(apply(combn(1:5, 3), 2, function(a) apply(combn(6:12, 2), 2, function(b) stat(c(a, b)))))
add("deals", mean(deals >= stat(unique(manager[by_manager == 1])) - 1e-9), length(deals))
rest <- residuals(lm(y ~ factor(block) + before))
deals <- unlist(apply(combn(1:5, 3), 2, function(a) apply(combn(6:12, 2), 2, function(b) stat(c(a, b)))))
add("deals, slope", mean(deals >= stat(unique(manager[by_manager == 1])) - 1e-9), length(deals))
# managers dealt: ratio and area by their scores; the effect on those who took it, by linearising the ratio of two differences
cr2 <- function(case, m) { t <- coef_test(m, vcovCR(m, manager, "CR2"), test = "Satterthwaite"); add(case, t[2, "beta"], t[2, "SE"], t[2, "df_Satt"]) }
z <- numeric(n)
for (a in 0:1) { k <- by_manager == a; x <- sum(share * sapply(1:2, function(b) mean(visits[k & block == b])))
  r <- sum(share * sapply(1:2, function(b) mean(leads[k & block == b]))) / x; z[k] <- r + (leads[k] - r * visits[k]) / x }
cr2("ratio, managers dealt", lm(z ~ by_manager * bm))
for (a in 0:1) { k <- which(by_manager == a); f <- survfit(Surv(months, seen) ~ 1, d[k, ])
  z[k] <- summary(f, rmean = 3)$table["rmean"] + length(k) * resid(f, times = 3, type = "rmst") }
cr2("area, managers dealt, no blocks", lm(z ~ by_manager))
d$took <- by_unit * rbinom(n, 1, plogis(.5 + .1 * (before - 10)))
ratio <- coef(lm(y ~ by_unit * (bd + xc)))[[2]] / coef(lm(d$took ~ by_unit * (bd + xc)))[[2]]
rest <- y - ratio * d$took; m <- lm(rest ~ by_unit * (bd + xc))
add("on takers, within blocks", ratio, sqrt(vcovCR(m, 1:n, "CR2")[2, 2]) / coef(lm(d$took ~ by_unit * (bd + xc)))[[2]])
# all deals of units within blocks, by how many of them give each sum of leads
ways <- function(v, m) { w <- matrix(0, m + 1, sum(v) + 1); w[1, 1] <- 1
  for (x in v) for (k in m:1) w[k + 1, (x + 1):ncol(w)] <- w[k + 1, (x + 1):ncol(w)] + w[k, 1:(ncol(w) - x)]
  w[m + 1, ] / choose(length(v), m) }
chance <- 1
for (b in 1:2) { p <- ways(leads[block == b], sum(by_unit[block == b])); chance <- rowSums(sapply(seq_along(p), function(j) { o <- numeric(length(chance) + length(p) - 1); o[j - 1 + seq_along(chance)] <- chance * p[j]; o })) }
far <- abs(seq_along(chance) - 1 - sum((seq_along(chance) - 1) * chance))
add("deals of units", sum(chance[far >= far[sum(leads[by_unit == 1]) + 1] - 1e-9]))
write.csv(d, "strata.csv", row.names = FALSE)
o <- do.call(rbind, lapply(out, function(v) c(v, NA, NA)[1:3]))
write.csv(data.frame(case = rownames(o), estimate = o[, 1], std_error = o[, 2], df = o[, 3]), "strata_values.csv", row.names = FALSE)
