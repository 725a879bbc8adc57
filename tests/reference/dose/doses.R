# Differences by dose and the line through doses, adjusted, with HC2 errors and two one-sided tests (package sandwich).
library(sandwich)
d <- read.csv("rows.csv")
margin <- 0.5 # over the whole range for the line
value <- function(fit, term, dose, margin) {
  b <- coef(fit)[[term]]
  s <- sqrt(vcovHC(fit, type = "HC2")[term, term])
  df <- fit$df.residual
  data.frame(dose = dose, estimate = b, std_error = s, conf_low = b - qt(.975, df) * s, conf_high = b + qt(.975, df) * s,
    p_equivalent = max(pt((b - margin) / s, df), pt((b + margin) / s, df, lower.tail = FALSE)))
}
d$level <- relevel(factor(d$days), ref = "180")
steps <- lm(leads ~ level + size + region, d)
slope <- lm(leads ~ days + size + region, d)
out <- rbind(value(steps, "level90", "90", margin), value(steps, "level365", "365", margin), value(slope, "days", "per unit", margin / (365 - 90)))
out[-1] <- lapply(out[-1], function(x) sprintf("%.15g", x))
write.csv(out, "values.csv", row.names = FALSE, quote = FALSE)
