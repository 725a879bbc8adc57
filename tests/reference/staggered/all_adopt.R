# Everybody adopts in the end, for tests/reference/test_staggered.py: the last to adopt are compared with, up to their quarter.
# Run in this folder: Rscript all_adopt.R
suppressMessages(library(sandwich))
d <- read.csv("rows.csv"); d <- d[!is.na(d$leads) & d$start != 99, ]
last <- max(d$start); early <- d[d$quarter < last, ]
early$since <- ifelse(early$start == last, -1, early$quarter - early$start)
early$cell <- relevel(factor(ifelse(early$since == -1, "base", paste(early$start, early$since, sep = "_"))), "base")
m <- lm(leads ~ factor(partner) + factor(quarter) + cell, early)
v <- vcovCL(m, early$partner, type = "HC0", cadjust = FALSE)
mean_of <- function(rows) { n <- table(droplevels(early$cell[rows])); k <- paste0("cell", names(n)); w <- n / sum(n)
  c(sum(w * coef(m)[k]), sqrt(drop(t(w) %*% v[k, k] %*% w))) }
out <- data.frame()
add <- function(estimator, at, f) out <<- rbind(out, data.frame(estimator, at, estimate = f[1], std_error = f[2], row.names = NULL))
for (e in setdiff(sort(unique(early$since)), -1)) add("interaction", as.character(e), mean_of(early$since == e))
add("interaction", "partner-quarters", mean_of(early$since >= 0))
expected <- lm(leads ~ factor(partner) + factor(quarter), d[d$portal == 0, ])
on <- early[early$portal == 1, ]; gap <- on$leads - predict(expected, on)
for (e in unique(sort(on$since))) add("imputation", as.character(e), c(mean(gap[on$since == e]), NA))
add("imputation", "partner-quarters", c(mean(gap), NA))
write.csv(format(out, digits = 12), "all_adopt.csv", row.names = FALSE, quote = FALSE)
cat(nrow(early), length(unique(early$partner)), length(unique(early$quarter)), sum(!is.na(coef(m))), "\n")
