# Effects of rows given once, for tests/reference/test_adjusted.py; R 4.x with riskRegression, sandwich. Run in this folder: Rscript adjusted.R
suppressMessages({library(riskRegression); library(survival); library(sandwich)})
d <- read.csv("rows.csv")
out <- data.frame(); tight <- glm.control(epsilon = 1e-14, maxit = 50)
add <- function(case, reading, estimate, std_error) out <<- rbind(out, data.frame(case, reading, estimate, std_error, row.names = NULL))
# all rows at once: g-formula, weighting and both, errors by influence functions; both sides share no coefficient
d$stopped <- factor(d$stopped)
ill <- glm(ill ~ stopped * (age + weight_before + woman + school), binomial, d, control = tight)
chance <- glm(stopped ~ age + weight_before + woman + school, binomial, d, control = tight)
fit <- ate(event = ill, treatment = chance, data = d, estimator = c("GFORMULA", "IPTW", "AIPTW"), se = TRUE, iid = TRUE, verbose = FALSE)
for (e in c("GFORMULA", "IPTW", "AIPTW")) { r <- subset(as.data.frame(fit$diffRisk), estimator == e); add("ill, ate", e, r$estimate, r$se) }
print(fit$diffRisk)
# weighted rows: what survey software makes of sampling weights, by hand
w <- d$stands_for / mean(d$stands_for); on <- d$stopped == "1"
e <- fitted(suppressWarnings(glm(on ~ age + weight_before + woman + school, quasibinomial, d, weights = w, control = tight)))
m0 <- predict(lm(gain ~ age + weight_before + woman + school, d[!on, ], weights = w[!on]), d)
rest <- d$gain - m0
att <- (sum((w * rest)[on]) - sum((w * e / (1 - e) * rest)[!on])) / sum(w[on])
part <- w * ifelse(on, rest, -e / (1 - e) * rest) - w * on * att
add("gain, att, weighted", "AIPTW", att, sqrt(sum(part^2)) / sum(w[on]))
clustered <- tapply(part, d$doctor, sum)
add("gain, att, weighted, by doctor", "AIPTW", att, sqrt(sum(clustered^2)) / sum(w[on]))
h <- lm(gain ~ on, d, weights = w * ifelse(on, 1, e / (1 - e)))
add("gain, att, weighted, chances known", "IPTW", coef(h)[2], sqrt(vcovHC(h, type = "HC0")[2, 2]))
write.csv(format(out, digits = 12), "values.csv", row.names = FALSE, quote = TRUE)
