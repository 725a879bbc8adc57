# Staggered adoption with a covariate of each quarter, for tests/reference/test_staggered.py; R 4.x with sandwich. Run here: Rscript covariates.R
suppressMessages(library(sandwich))
d <- read.csv("rows.csv"); d <- d[!is.na(d$leads), ]
d$calls <- sin(1.3 * d$partner + d$quarter^2 / 3) + 0.2 * d$portal; d$leads <- d$leads + 0.5 * d$calls
d$since <- ifelse(d$start == 99, -1, d$quarter - d$start)
d$cell <- relevel(factor(ifelse(d$since == -1, "base", paste(d$start, d$since, sep = "_"))), "base")
d$event <- relevel(factor(d$since), "-1")
out <- data.frame()
add <- function(estimator, at, estimate, std_error) out <<- rbind(out, data.frame(estimator, at, estimate, std_error, row.names = NULL))
few <- function(m) { k <- m$rank - length(unique(d$partner)) - length(unique(d$quarter)) + 1; n <- nrow(d); g <- length(unique(d$partner))
  g / (g - 1) * (n - 1) / (n - k - length(unique(d$quarter))) }
m <- lm(leads ~ factor(partner) + factor(quarter) + cell + calls, d); v <- few(m) * vcovCL(m, d$partner, type = "HC0", cadjust = FALSE)
mean_of <- function(rows) { n <- table(droplevels(d$cell[rows])); k <- paste0("cell", names(n)); w <- n / sum(n)
  c(sum(w * coef(m)[k]), sqrt(drop(t(w) %*% v[k, k] %*% w))) }
treated <- d$start != 99
for (e in setdiff(sort(unique(d$since[treated])), -1)) { f <- mean_of(treated & d$since == e); add("interaction", as.character(e), f[1], f[2]) }
f <- mean_of(d$portal == 1); add("interaction", "partner-quarters", f[1], f[2])
gap <- d$leads[d$portal == 1] - predict(lm(leads ~ factor(partner) + factor(quarter) + calls, d[d$portal == 0, ]), d[d$portal == 1, ])
by <- tapply(gap, d$since[d$portal == 1], mean)
add("imputation", c(names(by), "partner-quarters"), c(by, mean(gap)), NA)
two <- lm(leads ~ portal + calls + factor(partner) + factor(quarter), d)
add("two-way", "partner-quarters", coef(two)["portal"], sqrt(few(two) * vcovCL(two, d$partner, type = "HC0", cadjust = FALSE)["portal", "portal"]))
line <- lm(leads ~ event + calls + factor(partner) + factor(quarter), d); w <- few(line) * vcovCL(line, d$partner, type = "HC0", cadjust = FALSE)
for (e in setdiff(levels(d$event), "-1")) { k <- paste0("event", e); add("two-way", e, coef(line)[k], sqrt(w[k, k])) }
write.csv(format(out, digits = 12), "covariates.csv", row.names = FALSE, quote = FALSE)
