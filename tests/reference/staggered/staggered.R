# Unbalanced staggered adoption, for tests/reference/test_staggered.py; R 4.x with sandwich. Run in this folder: Rscript staggered.R
suppressMessages(library(sandwich))
d <- read.csv("rows.csv"); d <- d[!is.na(d$leads), ]
d$since <- ifelse(d$start == 99, -1, d$quarter - d$start)
d$cell <- relevel(factor(ifelse(d$since == -1, "base", paste(d$start, d$since, sep = "_"))), "base")
# interaction weights: every group and event time its own effect, then averaged by their rows
m <- lm(leads ~ factor(partner) + factor(quarter) + cell, d)
v <- vcovCL(m, d$partner, type = "HC0", cadjust = FALSE)
mean_of <- function(rows) { n <- table(droplevels(d$cell[rows])); k <- paste0("cell", names(n)); w <- n / sum(n)
  c(sum(w * coef(m)[k]), sqrt(drop(t(w) %*% v[k, k] %*% w))) }
treated <- d$start != 99
out <- data.frame()
add <- function(estimator, at, estimate, std_error) out <<- rbind(out, data.frame(estimator, at, estimate, std_error, row.names = NULL))
for (e in setdiff(sort(unique(d$since[treated])), -1)) { f <- mean_of(treated & d$since == e); add("interaction", as.character(e), f[1], f[2]) }
f <- mean_of(d$portal == 1); add("interaction", "partner-quarters", f[1], f[2])
# imputation: what the untreated rows expect of the treated ones
gap <- d$leads[d$portal == 1] - predict(lm(leads ~ factor(partner) + factor(quarter), d[d$portal == 0, ]), d[d$portal == 1, ])
by <- tapply(gap, d$since[d$portal == 1], mean)
add("imputation", c(names(by), "partner-quarters"), c(by, mean(gap)), NA)
two <- lm(leads ~ portal + factor(partner) + factor(quarter), d)
add("two-way", "partner-quarters", coef(two)["portal"], sqrt(vcovCL(two, d$partner, type = "HC0", cadjust = FALSE)["portal", "portal"]))
write.csv(format(out, digits = 12), "values.csv", row.names = FALSE, quote = FALSE)
