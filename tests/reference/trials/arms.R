# Three variants dealt to managers within blocks, pairs of managers, and single units with other chances in each block:
# Rscript arms.R, in this folder; writes arms.csv, arm_pairs.csv, chances.csv and arms_values.csv.
# Design-based differences, Lin's slopes by arm and two-stage least squares are estimatr's; wins are linearised by hand (clubSandwich), areas
# are survival's, odds ordinal's; deals are gone through one by one.
suppressMessages({library(estimatr); library(clubSandwich); library(survival); library(ordinal)})
set.seed(61)
arms <- list(c(0, 0, 0, 1, 1, 2, 2, 2), c(0, 0, 1, 1, 1, 2, 2), c(0, 0, 0, 0, 1, 1, 2, 2, 2, 2))
m <- data.frame(block = rep(1:3, lengths(arms)), arm = unlist(lapply(arms, sample)))
k <- nrow(m); size <- sample(3:11, k, TRUE); who <- rep(seq_len(k), size); d <- m[who, ]; n <- nrow(d); u <- rnorm(k, 0, .6)[who]
d$manager <- sprintf("m%02d", who)
d$before <- round(rnorm(n, 10, 2) + u, 2)
d$y <- round(3 + .5 * d$block + .3 * (d$before - 10) + .4 * (d$arm == 1) + .6 * (d$arm == 2) + u + rnorm(n), 2)
d$visits <- rpois(n, 4 + d$block) + 1
d$leads <- rbinom(n, d$visits, plogis(-1 + .3 * d$block + .3 * (d$arm == 2) + .3 * u + .1 * (d$before - 10)))
d$tier <- pmin(pmax(round(2 + .4 * u + .4 * (d$arm == 2) + rnorm(n, 0, .8)), 1), 4)
d$took <- rbinom(n, 1, ifelse(d$arm == 0, .08, .7))
d$months <- ceiling(rexp(n, .12 * exp(-.4 * (d$arm == 2)))); last <- sample(c(4, 6, 9), n, TRUE, c(.1, .3, .6))
d$seen <- as.numeric(d$months <= last); d$months <- pmin(d$months, last)
out <- list()
add <- function(case, est, se = NA, df = NA) out[[case]] <<- c(est, se, df)
second <- function(case, fit, df = TRUE) add(case, fit$coefficients[2], fit$std.error[2], if (df) fit$df[2] else NA)
for (a in 1:2) {
  s <- d[d$arm %in% c(0, a), ]; s$z <- as.numeric(s$arm == a); say <- function(case) paste0(case, ", ", a)
  e <- difference_in_means(y ~ z, s, blocks = block, clusters = manager); add(say("managers in blocks"), e$coefficients, e$std.error)
  e <- difference_in_means(y ~ z, s, clusters = manager); add(say("managers"), e$coefficients, e$std.error, e$df)
  e <- difference_in_means(y ~ z, s, blocks = block); add(say("units in blocks"), e$coefficients, e$std.error)
  second(say("managers in blocks, slopes by arm"), lm_lin(y ~ z, ~ factor(block) + before, s, clusters = manager, se_type = "CR2"))
  second(say("units, slopes by arm"), lm_lin(y ~ z, ~ before, s, se_type = "HC2"), FALSE)
  second(say("managers, one slope"), lm_robust(y ~ z + before, s, clusters = manager, se_type = "CR2"))
  second(say("takers, managers"), iv_robust(y ~ took | z, s, clusters = manager, se_type = "CR2"))
  second(say("takers, units"), iv_robust(y ~ took | z, s, se_type = "HC2"), FALSE)
  second(say("takers, managers, one slope"), iv_robust(y ~ took + before | z + before, s, clusters = manager, se_type = "CR2"))
  # a ratio of sums: linearised around Cochran's combined ratio of each arm, then as a mean is
  share <- table(s$block) / nrow(s); mean_of <- function(v, k) sum(share * tapply(v[k], s$block[k], mean))
  for (b in 0:1) { k <- s$z == b; x <- mean_of(s$visits, k); r <- mean_of(s$leads, k) / x; s$score[k] <- r + (s$leads[k] - r * s$visits[k]) / x }
  second(say("ratio, managers in blocks, slopes by arm"), lm_lin(score ~ z, ~ factor(block) + before, s, clusters = manager, se_type = "CR2"))
  on <- s$z == 1; win <- outer(s$tier[on], s$tier[!on], function(p, q) sign(p - q)); s$score[on] <- rowMeans(win); s$score[!on] <- -colMeans(win)
  fit <- lm(score ~ z, s); t <- coef_test(fit, vcovCR(fit, s$manager, "CR2"), test = "Satterthwaite"); add(say("wins, managers"), mean(win), t[2, "SE"], t[2, "df_Satt"])
  o <- summary(clm(ordered(tier) ~ z + factor(block), data = s))$coefficients["z", ]; add(say("odds, units in blocks"), o[1], o[2])
  f <- summary(survfit(Surv(months, seen) ~ z, s), rmean = 4)$table; add(say("area to four"), f[2, "rmean"] - f[1, "rmean"], sqrt(sum(f[, "se(rmean)"]^2)))
  # deals of managers between the two within blocks, the third variant as it was
  mm <- unique(s[, c("manager", "block", "z")]); rest <- resid(lm(visits ~ factor(block), s))
  deals <- Reduce(function(x, y) apply(expand.grid(seq_along(x), seq_along(y)), 1, function(i) c(x[[i[1]]], y[[i[2]]]), simplify = FALSE),
    lapply(1:3, function(b) combn(mm$manager[mm$block == b], sum(mm$z[mm$block == b]), simplify = FALSE)))
  stat <- function(chosen) { k <- s$manager %in% chosen; abs(mean(rest[k]) - mean(rest[!k])) }
  far <- sapply(deals, stat); add(say("deals of managers in blocks"), mean(far >= stat(mm$manager[mm$z == 1]) * (1 - 1e-9)), length(deals))
}
# pairs of managers of unequal size, and one unit of each
k <- 9; who <- data.frame(pair = rep(1:k, each = 2), arm = as.vector(replicate(k, sample(0:1)))); who$manager <- sprintf("p%02d", seq_len(2 * k))
p <- who[rep(seq_len(2 * k), sample(2:9, 2 * k, TRUE)), ]
p$y <- round(2 + .5 * p$arm + rnorm(k, 0, .7)[p$pair] + rnorm(2 * k, 0, .4)[match(p$manager, who$manager)] + rnorm(nrow(p)), 2)
e <- difference_in_means(y ~ arm, p, blocks = pair, clusters = manager); add("pairs of managers", e$coefficients, e$std.error, e$df)
e <- difference_in_means(y ~ arm, p[!duplicated(p$manager), ], blocks = pair); add("pairs of units", e$coefficients, e$std.error, e$df)
# all 512 ways to change places within pairs
flips <- as.matrix(expand.grid(rep(list(0:1), k))); who <- who[order(who$pair), ]
deal <- function(case, rows, rest) { stat <- function(on) { i <- rows$manager %in% on; abs(mean(rest[i]) - mean(rest[!i])) }
  far <- apply(flips, 1, function(v) stat(who$manager[seq(1, 2 * k - 1, 2) + v])); add(case, mean(far >= stat(who$manager[who$arm == 1]) * (1 - 1e-9))) }
deal("deals of pairs of managers", p, resid(lm(y ~ factor(pair), p)))
one <- p[!duplicated(p$manager), ]; deal("deals of pairs of units", one, resid(lm(y ~ factor(pair), one)))
# 15 of 20, 4 of 12 and 6 of 30 treated, and two blocks of one unit, which tell nothing
b <- data.frame(block = rep(1:5, c(20, 12, 30, 1, 1)), arm = c(sample(rep(1:0, c(15, 5))), sample(rep(1:0, c(4, 8))), sample(rep(1:0, c(6, 24))), 1, 0))
b$before <- round(rnorm(64), 2); b$y <- round(b$block + .5 * b$arm + b$before + rnorm(64), 2); q <- b[b$block < 4, ]
e <- difference_in_means(y ~ arm, q, blocks = block); add("other chances", e$coefficients, e$std.error)
stopifnot(abs(horvitz_thompson(y ~ arm, q, condition_prs = ave(q$arm, q$block))$coefficients - e$coefficients) < 1e-9)
second("other chances, slopes by arm", lm_lin(y ~ arm, ~ factor(block) + before, q, se_type = "HC2"), FALSE)
add("four variants", chisq.test(c(503, 247, 130, 160), p = c(4, 2, 1, 1) / 8)$p.value)
for (f in list(list(d, "arms.csv"), list(p, "arm_pairs.csv"), list(b, "chances.csv"))) write.csv(f[[1]], f[[2]], row.names = FALSE)
o <- do.call(rbind, out)
write.csv(data.frame(case = rownames(o), estimate = o[, 1], std_error = o[, 2], df = o[, 3]), "arms_values.csv", row.names = FALSE)
