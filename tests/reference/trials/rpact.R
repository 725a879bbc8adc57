# Boundaries of looks, what they cost, and boundaries for giving up (which do not bind) by rpact: Rscript rpact.R, in this folder;
# writes rpact.csv and rpact_giving_up.csv
suppressMessages(library(rpact))
TYPE <- c(obrien_fleming = "OF", pocock = "P", kim_demets = "KD", hwang_shih_decani = "HSD")
text <- function(x) paste(sprintf("%.8f", x), collapse = " ")
out <- data.frame(); lower <- data.frame()
add <- function(kind, gamma, alpha, sides, t) {
  asked <- list(typeOfDesign = paste0("as", TYPE[[kind]]), alpha = alpha, sided = sides, informationRates = t, kMax = length(t), beta = .2)
  if (!is.na(gamma)) asked$gammaA <- gamma
  plan <- do.call(getDesignGroupSequential, asked)
  out <<- rbind(out, data.frame(kind, gamma, alpha, sides, shares = paste(t, collapse = " "), bounds = text(plan$criticalValues)))
}
add("obrien_fleming", NA, .05, 2, c(.15, .5, .8, 1)); add("obrien_fleming", NA, .01, 2, c(.3, .6, 1)); add("obrien_fleming", NA, .05, 2, (1:8) / 8)
add("obrien_fleming", NA, .025, 1, c(.5, .75, 1)); add("pocock", NA, .05, 2, c(.2, .35, .9, 1)); add("pocock", NA, .025, 1, c(.5, .75, 1))
for (rho in c(1, 1.5, 2, 3)) add("kim_demets", rho, .05, 2, (1:4) / 4)
add("kim_demets", 2, .025, 1, c(.4, .5, .7, 1)); add("kim_demets", 3, .025, 1, c(.3, 1))
add("hwang_shih_decani", -4, .05, 2, c(.1, .6, 1)); add("hwang_shih_decani", 2, .05, 2, c(.25, .5, 1))
add("hwang_shih_decani", -3, .025, 1, c(.3, .6, .9, 1))
give <- function(kind, gamma, giving_up, giving_gamma, t, power) {
  asked <- list(typeOfDesign = paste0("as", TYPE[[kind]]), alpha = .025, sided = 1, informationRates = t, kMax = length(t), beta = 1 - power,
    typeBetaSpending = paste0("bs", TYPE[[giving_up]]), bindingFutility = FALSE)
  if (!is.na(gamma)) asked$gammaA <- gamma
  if (!is.na(giving_gamma)) asked$gammaB <- giving_gamma
  plan <- do.call(getDesignGroupSequential, asked)
  lower <<- rbind(lower, data.frame(kind, gamma, giving_up, giving_gamma, power, shares = paste(t, collapse = " "), upper = text(plan$criticalValues),
    lower = text(plan$futilityBounds), inflation = getDesignCharacteristics(plan)$inflationFactor))
}
give("obrien_fleming", NA, "hwang_shih_decani", -2, c(.3, .7, 1), .8); give("hwang_shih_decani", -4, "hwang_shih_decani", -2, (1:4) / 4, .9)
give("pocock", NA, "pocock", NA, c(.5, .75, 1), .8); give("obrien_fleming", NA, "obrien_fleming", NA, c(.4, .6, 1), .9)
give("kim_demets", 2, "kim_demets", 1, c(.25, .5, 1), .8)
write.csv(out, "rpact.csv", row.names = FALSE); write.csv(lower, "rpact_giving_up.csv", row.names = FALSE)
