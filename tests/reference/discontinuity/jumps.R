# Jump at 0 by local lines and local quadratics with triangular weights; HC2 errors (package sandwich).
library(sandwich)
d <- read.csv("scores.csv")
h <- 0.4
near <- d[abs(d$score) < h, ]
near$above <- as.numeric(near$score >= 0)
w <- 1 - abs(near$score) / h
line <- lm(outcome ~ above * score, near, weights = w)
bent <- lm(outcome ~ above * (score + I(score^2)), near, weights = w)
value <- function(fit, name) data.frame(case = name, estimate = coef(fit)[["above"]],
  std_error = sqrt(vcovHC(fit, type = "HC2")["above", "above"]))
out <- rbind(value(line, "line"), value(bent, "quadratic"))
out$estimate <- sprintf("%.15g", out$estimate)
out$std_error <- sprintf("%.15g", out$std_error)
write.csv(out, "values.csv", row.names = FALSE, quote = FALSE)
