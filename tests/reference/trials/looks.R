# Boundaries of looks by multivariate normal integrals (mvtnorm), look by look: Rscript looks.R, in this folder (a minute); writes looks.csv
# error spent after Lan and DeMets: late ("obrien_fleming"), evenly ("pocock"), in proportion ("linear"), by gamma (Hwang, Shih and DeCani)
suppressMessages(library(mvtnorm))
corr <- function(t) outer(t, t, function(a, b) sqrt(pmin(a, b) / pmax(a, b)))
crossed <- function(b, t, sides) {
  k <- length(b); set.seed(1)
  if (k == 1) return(sides * pnorm(-b))
  1 - pmvnorm(if (sides == 2) -b else rep(-Inf, k), b, corr = corr(t[1:k]), algorithm = GenzBretz(maxpts = 2e6, abseps = 1e-7))[1]
}
spent <- function(t, alpha, kind, gamma, sides) switch(kind,
  obrien_fleming = 2 * sides * (1 - pnorm(qnorm(1 - alpha / (2 * sides)) / sqrt(t))), pocock = alpha * log(1 + (exp(1) - 1) * t),
  linear = alpha * t, hwang_shih_decani = alpha * (1 - exp(-gamma * t)) / (1 - exp(-gamma)))
out <- data.frame()
add <- function(t, alpha, kind, gamma = -4, sides = 2) {
  total <- spent(t, alpha, kind, gamma, sides); b <- c()
  for (k in seq_along(t)) b[k] <- uniroot(function(x) crossed(c(b, x), t, sides) - total[k], c(.2, 8), tol = 1e-6)$root
  out <<- rbind(out, data.frame(kind, gamma, alpha, sides, shares = paste(t, collapse = " "), bounds = paste(sprintf("%.7f", b), collapse = " ")))
}
add((1:4) / 4, .1, "obrien_fleming"); add(c(.2, .7, 1), .05, "obrien_fleming")
add(c(.1, .6, 1), .05, "pocock"); add(round((1:3) / 3, 6), .05, "linear")
add((1:4) / 4, .05, "hwang_shih_decani", 1); add((1:4) / 4, .05, "hwang_shih_decani", -8); add(c(.3, .55, .9, 1), .05, "hwang_shih_decani", -2)
add((1:5) / 5, .025, "obrien_fleming", sides = 1); add(round((1:3) / 3, 6), .05, "pocock", sides = 1)
add(c(.4, .75, 1), .025, "hwang_shih_decani", sides = 1)
write.csv(out, "looks.csv", row.names = FALSE)
