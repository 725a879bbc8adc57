# Reference numbers for spells, curves, hazards and ways of leaving.
# Run in this folder: Rscript survival.R
# Writes spells.csv (seeded data), values.csv (what R says) and session.txt.
library(survival)
RNGversion("4.2.0")
set.seed(20260)

# 240 partners, quarterly ties, frailty, some already there at the start (delayed entry), some coming back
partners <- 240
frailty <- exp(rnorm(partners, 0, 0.6))
region <- sample(c("north", "south", "west"), partners, replace = TRUE, prob = c(0.5, 0.3, 0.2))
rows <- list()
for (p in seq_len(partners)) {
  calendar <- 0
  number <- 1
  entry <- if (runif(1) < 0.3) sample(1:8, 1) else 0
  while (calendar < 20) {
    h <- min(0.9, 0.07 * frailty[p] * ifelse(region[p] == "south", 1.6, 1))
    stay <- rgeom(1, h) + 1
    duration <- min(entry + stay, entry + 20 - calendar)
    ended <- entry + stay <= entry + 20 - calendar
    cause <- if (!ended) "" else sample(c("lapsed", "demotion", "promotion"), 1, prob = c(0.6, 0.3, 0.1))
    rows[[length(rows) + 1]] <- data.frame(partner = sprintf("p%03d", p), spell = number, entry = entry,
      duration = duration, event = cause, region = region[p])
    calendar <- calendar + duration - entry + sample(1:6, 1)
    entry <- 0
    number <- number + 1
    if (!ended || runif(1) < 0.5) break
  }
}
spells <- do.call(rbind, rows)
write.csv(spells, "spells.csv", row.names = FALSE, quote = TRUE)

values <- data.frame()
keep <- function(case, group, time, quantity, value) {
  values <<- rbind(values, data.frame(case = case, group = group, time = time, quantity = quantity, value = value))
}
keep_curve <- function(case, fit, group = "") {
  at <- summary(fit)
  name <- if (is.null(at$strata)) group else sub(".*=", "", as.character(at$strata))
  keep(case, name, at$time, "n", at$n.risk)
  keep(case, name, at$time, "events", at$n.event)
  keep(case, name, at$time, "estimate", at$surv)
  keep(case, name, at$time, "std_error", at$std.err)
  keep(case, name, at$time, "conf_low", at$lower)
  keep(case, name, at$time, "conf_high", at$upper)
  keep(case, name, at$time, "cumulative_hazard", at$cumhaz)
}
spells$ended <- spells$event != ""
first <- spells[spells$spell == 1, ]

# one spell each: Greenwood; all spells: infinitesimal jackknife by partner
keep_curve("first", survfit(Surv(entry, duration, ended) ~ 1, data = first, conf.type = "log-log"))
keep_curve("first_region", survfit(Surv(entry, duration, ended) ~ region, data = first, conf.type = "log-log"))
keep_curve("all", survfit(Surv(entry, duration, ended) ~ 1, data = spells, cluster = partner, robust = TRUE, conf.type = "log-log"))
keep_curve("all_region", survfit(Surv(entry, duration, ended) ~ region, data = spells, cluster = partner, robust = TRUE, conf.type = "log-log"))
fit <- survfit(Surv(entry, duration, ended) ~ 1, data = first)
keep("nelson_aalen", "", fit$time, "std_error", fit$std.chaz)

# quantiles with Brookmeyer-Crowley intervals, restricted means
for (case in c("first", "all")) {
  data <- if (case == "first") first else spells
  fit <- if (case == "first") {
    survfit(Surv(entry, duration, ended) ~ region, data = data, conf.type = "log-log")
  } else {
    survfit(Surv(entry, duration, ended) ~ region, data = data, conf.type = "log-log", cluster = partner, robust = TRUE)
  }
  for (share in c(0.25, 0.5, 0.75)) {
    q <- quantile(fit, share)
    for (g in rownames(q$quantile)) {
      keep(paste0("quantile_", case), sub(".*=", "", g), share, "estimate", q$quantile[g, 1])
      keep(paste0("quantile_", case), sub(".*=", "", g), share, "conf_low", q$lower[g, 1])
      keep(paste0("quantile_", case), sub(".*=", "", g), share, "conf_high", q$upper[g, 1])
    }
  }
}
fit <- survfit(Surv(entry, duration, ended) ~ region, data = first)
table <- summary(fit, rmean = 12)$table
keep("rmst", sub(".*=", "", rownames(table)), 12, "estimate", table[, "rmean"])
keep("rmst", sub(".*=", "", rownames(table)), 12, "std_error", table[, "se(rmean)"])

# log-rank: on durations alone by survdiff; with delayed entry as the Cochran-Mantel-Haenszel test over the
# risk sets (stats::mantelhaen.test); clustered as the robust score test of a Cox model under Breslow's ties
late <- first[first$entry == 0, ]
keep("logrank", "right", NA, "statistic", survdiff(Surv(duration, ended) ~ region, data = late)$chisq)
keep("logrank", "peto", NA, "statistic", survdiff(Surv(duration, ended) ~ region, data = late, rho = 1)$chisq)
late$large <- as.integer(substr(late$partner, 4, 4)) %% 2
keep("logrank", "stratified", NA, "statistic", survdiff(Surv(duration, ended) ~ region + strata(large), data = late)$chisq)
times <- sort(unique(first$duration[first$ended]))
tables <- array(0, c(3, 2, length(times)))
for (k in seq_along(times)) {
  risk <- first[first$entry < times[k] & first$duration >= times[k], ]
  tables[, , k] <- table(factor(risk$region, c("north", "south", "west")), factor(risk$ended & risk$duration == times[k], c(TRUE, FALSE)))
}
tables <- tables[, , apply(tables, 3, sum) > 1]
keep("logrank", "entry", NA, "statistic", mantelhaen.test(tables)$statistic)
robust <- coxph(Surv(entry, duration, ended) ~ region, data = spells, cluster = partner, ties = "breslow")
keep("logrank", "clustered", NA, "statistic", robust$rscore)

# ways of leaving: Aalen-Johansen with delayed entry. survfit ignores cluster= when id= is given, and a partner's
# spells run on separate clocks (one id each); so for all spells its influence values are added up by partner
for (case in c("first", "all")) {
  data <- if (case == "first") first else spells
  data$way <- factor(ifelse(data$event == "", "censored", data$event), levels = c("censored", "demotion", "lapsed", "promotion"))
  data$row <- seq_len(nrow(data))
  fit <- survfit(Surv(entry, duration, way) ~ 1, data = data, id = row, influence = TRUE)
  influence <- if (is.null(fit$influence.pstate)) fit$influence else fit$influence.pstate
  stopifnot(dim(influence)[1] == nrow(data))
  for (state in c("demotion", "lapsed", "promotion")) {
    column <- match(state, fit$states)
    clustered <- sqrt(colSums(rowsum(influence[, , column], data$partner)^2))
    keep(paste0("incidence_", case), state, fit$time, "estimate", fit$pstate[, column])
    keep(paste0("incidence_", case), state, fit$time, "std_error", tail(clustered, length(fit$time)))
    if (case == "first") stopifnot(all.equal(tail(clustered, length(fit$time)), fit$std.err[, column]))
  }
}

# hazards: one binomial share per tenure (Wilson), and by region with the sandwich clustered by partner
for (t in sort(unique(first$duration))) {
  n <- sum(first$entry < t & first$duration >= t)
  d <- sum(first$duration == t & first$ended)
  if (n == 0 || d == 0 || d == n) next
  test <- prop.test(d, n, correct = FALSE)
  keep("hazard_tenure", "", t, "estimate", test$estimate)
  keep("hazard_tenure", "", t, "conf_low", test$conf.int[1])
  keep("hazard_tenure", "", t, "conf_high", test$conf.int[2])
}
for (g in unique(spells$region)) {
  mine <- spells[spells$region == g, ]
  trials <- tapply(mine$duration - mine$entry, mine$partner, sum)
  hits <- tapply(mine$ended, mine$partner, sum)
  share <- sum(hits) / sum(trials)
  size <- length(trials)
  variance <- sum((hits - share * trials)^2) / sum(trials)^2 * size / (size - 1)
  plain <- share * (1 - share) / sum(trials)
  keep("hazard_region", g, NA, "estimate", share)
  keep("hazard_region", g, NA, "std_error", sqrt(max(variance, plain)))
}

values$value <- ifelse(is.na(values$value), NA, sprintf("%.15g", values$value))
write.csv(values, "values.csv", row.names = FALSE, quote = FALSE)
writeLines(capture.output(sessionInfo())[c(1, 2, 3)], "session.txt")
write(paste("survival", packageVersion("survival")), "session.txt", append = TRUE)
