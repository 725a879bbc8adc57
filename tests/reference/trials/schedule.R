# A stepped wedge with gaps and unequal managers: Rscript schedule.R, in this folder; writes schedule.csv and schedule_values.csv
# levels by moments, counted in loops; least squares on rows whitened by each manager's covariance, clubSandwich's CR2 and degrees of
# freedom; schedules dealt again in all 1,680 ways
suppressMessages(library(clubSandwich))
set.seed(36)
steps <- rbind(c(0, 1, 1, 1), c(0, 0, 1, 1), c(0, 0, 0, 1)); label <- sample(rep(1:3, 3)); size <- c(3, 8, 5, 4, 7, 6, 3, 5, 8)
d <- do.call(rbind, lapply(1:9, function(m) { u <- rnorm(1, 0, .8); do.call(rbind, lapply(1:size[m], function(i) { b <- round(rnorm(1, 10, 2), 2)
  data.frame(manager = m, partner = paste0(m, "-", i), quarter = 1:4, variant = c("early", "middle", "late")[label[m]],
             on = steps[label[m], ], before = b, y = round(5 + u + .4 * 1:4 + .5 * (b - 10) + .7 * steps[label[m], ] + rnorm(4), 3)) })) }))
d <- d[-sample(nrow(d), 12), ]
write.csv(d[, names(d) != "on"], "schedule.csv", row.names = FALSE)
cells <- function(y) { n <- m <- matrix(0, 9, 4); for (r in seq_along(y)) n[d$manager[r], d$quarter[r]] <- n[d$manager[r], d$quarter[r]] + 1
  for (r in seq_along(y)) m[d$manager[r], d$quarter[r]] <- m[d$manager[r], d$quarter[r]] + y[r] / n[d$manager[r], d$quarter[r]]
  w <- sum((y - m[cbind(d$manager, d$quarter)])^2) / (length(y) - sum(n > 0)); list(m = m, n = n, w = w, on = steps[label, ]) }
V <- function(k, c, lv) { s <- which(k$n[c, ] > 0); lv$b * lv$k^abs(outer(s, s, "-")) + diag(lv$w / k$n[c, s], length(s)) }
white <- function(k, lv) do.call(rbind, lapply(1:9, function(c) { s <- which(k$n[c, ] > 0)
  cbind(c, solve(t(chol(V(k, c, lv))), cbind(k$m[c, s], diag(4)[s, , drop = FALSE], k$on[c, s]))) }))
rest <- function(k, lv, effect) { z <- white(k, lv); X <- z[, 3:(6 + effect)]; f <- lm.fit(X, z[, 2])$coefficients
  r <- k$m - matrix(f[1:4], 9, 4, byrow = TRUE) - (if (effect) f[5] else 0) * k$on; r[k$n == 0] <- NA; r }
levels_of <- function(k, effect = TRUE) { lv <- list(b = 0, k = 1, w = 1); for (round in 1:2) { r <- rest(k, lv, effect)
  g <- function(h) mean((r[, (1 + h):4] * r[, 1:(4 - h)])[!is.na(r[, (1 + h):4] * r[, 1:(4 - h)])])
  b <- max(g(0) - k$w * mean(1 / k$n[k$n > 0]), 0); lv <- list(b = b, k = if (b > 0) min(max(g(1) / b, 0), 1) else 1, w = k$w) }; lv }
out <- list()
say <- function(case, y) { k <- cells(y); lv <- levels_of(k); z <- setNames(as.data.frame(white(k, lv)), c("c", "y", "q1", "q2", "q3", "q4", "on"))
  m <- lm(y ~ 0 + q1 + q2 + q3 + q4 + on, z)
  t <- coef_test(m, vcovCR(m, z$c, "CR2"), test = "Satterthwaite"); l0 <- levels_of(k, FALSE); r <- rest(k, l0, FALSE)
  score <- t(sapply(1:9, function(c) { s <- which(k$n[c, ] > 0); q <- numeric(4); q[s] <- solve(V(k, c, l0), r[c, s]); q })) %*% t(steps)
  far <- function(lab) abs(sum(score[cbind(1:9, lab)]) - sum(score) / 3); seen <- far(label); count <- c()
  for (a in combn(9, 3, simplify = FALSE)) { left <- setdiff(1:9, a); for (b in combn(left, 3, simplify = FALSE)) {
    lab <- rep(3, 9); lab[a] <- 1; lab[b] <- 2; count <- c(count, far(lab) >= seen * (1 - 1e-9)) } }
  out[[case]] <<- c(t[5, "beta"], t[5, "SE"], t[5, "df_Satt"], lv$b / (lv$b + lv$w), lv$k, mean(count), length(count)) }
say("plain", d$y)
slope <- coef(lm(y ~ factor(quarter) + on + before, d))[["before"]]
first <- d$before[!duplicated(d$partner)]
say("adjusted", d$y - slope * (d$before - mean(first)))
o <- do.call(rbind, out); colnames(o) <- c("estimate", "std_error", "df", "icc", "kept", "p_redrawn", "ways")
write.csv(data.frame(case = rownames(o), o), "schedule_values.csv", row.names = FALSE)
