# Pairs of rows given once, for tests/reference/test_matched.py; R 4.x with Matching, sandwich. Run in this folder: Rscript matched.R
# Matching takes the treated in the order of the rows, so the likeliest stand first; its caliper is in standard deviations of all rows.
suppressMessages({library(Matching); library(sandwich)})
d <- read.csv("rows.csv"); out <- data.frame(); chosen <- data.frame()
d$row <- seq_len(nrow(d)) - 1
# those who stopped are fewer than the others in few classes: keep one in three of them, by their number
d <- d[d$stopped == 0 | d$row %% 3 == 0, ]
m <- glm(stopped ~ age + weight_before + woman + school, binomial, d, control = glm.control(epsilon = 1e-14, maxit = 50))
for (scale in c("chance", "log-odds")) {
  d$distance <- if (scale == "chance") fitted(m) else predict(m)
  s <- d[order(-d$distance), ]
  for (caliper in c(NA, 0.2, 0.02)) for (within in c("", "woman")) {
    X <- if (within == "") cbind(s$distance) else cbind(s$distance, s$woman)
    r <- Match(Tr = s$stopped, X = X, M = 1, replace = FALSE, ties = FALSE, distance.tolerance = 0, estimand = "ATT", Weight = 1,
               exact = if (within == "") NULL else c(FALSE, TRUE), caliper = if (is.na(caliper)) NULL else if (within == "") caliper else c(caliper, 1e9))
    t <- r$index.treated; k <- r$index.control
    both <- rbind(s[t, ], s[k, ]); both$pair <- rep(seq_along(t), 2)
    h <- lm(gain ~ stopped + age + weight_before + woman + school, both)
    apart <- s$gain[t] - s$gain[k]
    out <- rbind(out, data.frame(distance = scale, caliper, within, pairs = length(t), matched = coef(h)[["stopped"]],
                                 matched_se = sqrt(vcovCL(h, cluster = both$pair, type = "HC1")["stopped", "stopped"]),
                                 pairs_mean = mean(apart), pairs_se = sd(apart) / sqrt(length(t)), row.names = NULL))
    chosen <- rbind(chosen, data.frame(distance = scale, caliper, within, treated = s$row[t], compared = s$row[k]))
  }
}
write.csv(format(out, digits = 12), "matched.csv", row.names = FALSE, quote = FALSE)
write.csv(chosen, "matched_pairs.csv", row.names = FALSE, quote = FALSE)
