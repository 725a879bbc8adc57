# Trials of several designs: Rscript designs.R, in this folder; writes designs.csv, times.csv and designs_values.csv
# blocks, pairs, clusters by their design-based formulas; CR2 by clubSandwich; areas and log-rank by survival; deals counted by hand
suppressMessages({library(clubSandwich); library(survival)})
set.seed(11)
n <- 96
block <- rep(1:4, times = c(16, 24, 32, 24))
manager <- c(rep(1:4, each = 4), 4 + rep(1:6, each = 4), 10 + rep(1:8, times = c(2, 6, 3, 5, 4, 4, 5, 3)), 18 + rep(1:6, times = c(6, 2, 4, 4, 5, 3)))
before <- round(rnorm(n, 10, 3), 2)
u <- rnorm(24)[manager]
by_unit <- unlist(lapply(1:4, function(b) sample(rep(0:1, sum(block == b) / 2))))
by_manager <- unlist(lapply(1:4, function(b) { m <- unique(manager[block == b]); setNames(sample(rep(0:1, length(m) / 2)), m) }))[as.character(manager)]
pair <- rep(1:48, each = 2)
by_pair <- as.vector(replicate(48, sample(0:1)))
visits <- rpois(n, 6) + 1
noise <- .6 * u + .3 * (before - 10) + rnorm(n)
d <- data.frame(block, manager, pair, before, by_unit, by_manager, by_pair, visits,
  y_unit = round(5 + block + noise + .8 * by_unit, 3), y_manager = round(5 + block + noise + .8 * by_manager, 3),
  y_pair = round(5 + noise + .8 * by_pair, 3), leads = rpois(n, visits * exp(-1 + .03 * (before - 10) + .3 * by_unit)))
out <- list()
add <- function(case, est, se, df = NA) out[[case]] <<- c(est, se, df)
# blocks: differences within them weighted by size
bl <- sapply(1:4, function(b) { a <- d$y_unit[d$block == b & d$by_unit == 1]; z <- d$y_unit[d$block == b & d$by_unit == 0]
  c(mean(a) - mean(z), var(a) / length(a) + var(z) / length(z), sum(d$block == b)) })
add("blocks", sum(bl[1, ] * bl[3, ]) / n, sqrt(sum(bl[2, ] * (bl[3, ] / n)^2)))
# pairs
g <- tapply(ifelse(d$by_pair == 1, 1, -1) * d$y_pair, d$pair, sum)
add("pairs", mean(g), sd(g) / sqrt(48), 47)
# clusters: CR2
m1 <- lm(y_manager ~ by_manager, d); V <- vcovCR(m1, d$manager, "CR2"); t1 <- coef_test(m1, V, test = "Satterthwaite")
add("clusters", t1[2, "beta"], t1[2, "SE"], t1[2, "df_Satt"])
# blocks of clusters: CR2 within each block, weighted by size
bc <- sapply(1:4, function(b) { s <- d[d$block == b, ]; m <- lm(y_manager ~ by_manager, s); c(coef(m)[2], vcovCR(m, s$manager, "CR2")[2, 2], nrow(s)) })
add("blocks of clusters", sum(bc[1, ] * bc[3, ]) / n, sqrt(sum(bc[2, ] * (bc[3, ] / n)^2)))
# what was known before, slopes by arm (Lin), HC2; one slope (CUPED)
xc <- d$before - mean(d$before)
m2 <- lm(y_unit ~ by_unit * xc, d); t2 <- coef_test(m2, vcovCR(m2, 1:n, "CR2"), test = "Satterthwaite")
add("known, slopes by arm", t2[2, "beta"], t2[2, "SE"], t2[2, "df_Satt"])
m3 <- lm(y_unit ~ by_unit + xc, d); t3 <- coef_test(m3, vcovCR(m3, 1:n, "CR2"), test = "Satterthwaite")
add("known, one slope", t3[2, "beta"], t3[2, "SE"], t3[2, "df_Satt"])
# the same within blocks
bd <- model.matrix(~ factor(block), d)[, -1]; bd <- sweep(bd, 2, colMeans(bd))
m4 <- lm(y_unit ~ by_unit * (bd + xc), d); t4 <- coef_test(m4, vcovCR(m4, 1:n, "CR2"), test = "Satterthwaite")
add("blocks and known", t4[2, "beta"], t4[2, "SE"], t4[2, "df_Satt"])
# a ratio of sums: delta method in each arm
rt <- function(s) { r <- sum(s$leads) / sum(s$visits); e <- (s$leads - r * s$visits) / mean(s$visits); c(r, var(e) / nrow(s)) }
r1 <- rt(d[d$by_unit == 1, ]); r0 <- rt(d[d$by_unit == 0, ])
add("ratio", r1[1] - r0[1], sqrt(r1[2] + r0[2]))
# the ratio with what was known before: the linearised scores regressed on it
sc <- numeric(n); for (a in 0:1) { k <- d$by_unit == a; r <- sum(d$leads[k]) / sum(d$visits[k]); sc[k] <- r + (d$leads[k] - r * d$visits[k]) / mean(d$visits[k]) }
m5 <- lm(sc ~ by_unit + xc, data.frame(sc, xc, by_unit = d$by_unit)); t5 <- coef_test(m5, vcovCR(m5, 1:n, "CR2"), test = "Satterthwaite")
add("ratio and known", t5[2, "beta"], t5[2, "SE"], t5[2, "df_Satt"])
# all deals of managers within the first two blocks: sums over units, as dealt
k <- d$block <= 2; s <- d[k, ]; ms <- unique(s[, c("manager", "block")]); ms <- ms[order(ms$manager), ]
first <- combn(which(ms$block == 1), 2); second <- combn(which(ms$block == 2), 3)
res <- residuals(lm(y_manager ~ factor(block), s))
stat <- function(on) { t <- s$manager %in% ms$manager[on]; abs(mean(res[t]) - mean(res[!t])) }
all <- unlist(apply(first, 2, function(a) apply(second, 2, function(b) stat(c(a, b)))))
seen <- stat(which(ms$manager %in% s$manager[s$by_manager == 1]))
add("all deals", mean(all >= seen - 1e-9), length(all))
# times: areas under the curves to six quarters, log-rank within blocks, one Cox model of both with what was known before
p <- data.frame(block, before, by_unit, months = round(rexp(n, .12 * exp(-.5 * by_unit + .03 * (before - 10))) + .01, 2))
p$seen <- as.numeric(p$months < 9); p$months <- pmin(p$months, 9)
f <- summary(survfit(Surv(months, seen) ~ by_unit, p), rmean = 6)$table
add("area to six", f[2, "rmean"] - f[1, "rmean"], sqrt(f[1, 6]^2 + f[2, 6]^2))
add("log-rank within blocks", survdiff(Surv(months, seen) ~ by_unit + strata(block), p)$chisq, NA)
h <- summary(coxph(Surv(months, seen) ~ by_unit + before + strata(block), p))$coefficients
add("hazards", h[1, "coef"], h[1, "se(coef)"])
write.csv(p, "times.csv", row.names = FALSE)
write.csv(d, "designs.csv", row.names = FALSE)
o <- do.call(rbind, out)
write.csv(data.frame(case = rownames(o), estimate = o[, 1], std_error = o[, 2], df = o[, 3]), "designs_values.csv", row.names = FALSE)
