# Counts of three eruptions of Old Faithful in a row, short or long (Azzalini and Bowman 1990, doi:10.2307/2347385; MASS::geyser),
# and order 2 against order 1 by base R: Rscript triples.R (in this folder); writes triples.csv and triples_tests.csv.
long <- ifelse(MASS::geyser$duration > 3, "long", "short")
n <- length(long)
three <- as.data.frame(table(before = long[1:(n - 2)], from_tier = long[2:(n - 1)], to_tier = long[3:n]), responseName = "count")
write.csv(three[three$count > 0, ], "triples.csv", row.names = FALSE, quote = FALSE)
counts <- xtabs(count ~ before + to_tier, three[three$from_tier == "long", ])
pearson <- chisq.test(counts, correct = FALSE)
expected <- pearson$expected
likelihood <- 2 * sum(counts * log(counts / expected))
tests <- data.frame(statistic = pearson$statistic, likelihood = likelihood, df = pearson$parameter, p_value = pearson$p.value,
                    p_likelihood = pchisq(likelihood, 1, lower.tail = FALSE))
write.csv(format(tests, digits = 15), "triples_tests.csv", row.names = FALSE, quote = FALSE)
