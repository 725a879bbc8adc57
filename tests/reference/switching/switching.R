# Starts and stops against who stays, for tests/reference/test_switching.py; base R. Run in this folder: Rscript switching.R
rows <- read.csv("rows.csv")
n <- length(unique(rows$partner)); partners <- sort(unique(rows$partner))
wide <- function(name) { m <- matrix(NA, n, 7); m[cbind(match(rows$partner, partners), rows$quarter)] <- rows[[name]]; m }
y <- wide("leads"); d <- wide("dinner"); size <- wide("size")
owner <- rows$manager[match(partners, rows$partner)]
mean_before <- function(m, t) rowMeans(m[, seq_len(t - 1), drop = FALSE], na.rm = TRUE)
# one row for each partner and quarter with its last two quarters known, as the study asks
trial <- do.call(rbind, lapply(3:7, function(t) {
  earlier <- rowSums(!is.na(y[, seq_len(t - 1)])) > 1
  ok <- !is.na(y[, t]) & !is.na(d[, t]) & !is.na(y[, t - 1]) & !is.na(d[, t - 1]) & !is.na(size[, t]) & earlier
  data.frame(i = which(ok), t = t, on = d[ok, t], was = d[ok, t - 1], was2 = d[ok, t - 2], size = size[ok, t],
             change = y[ok, t] - y[ok, t - 1], back = y[ok, t - 2] - y[ok, t - 1],
             ahead = (if (t < 7) y[ok, t + 1] else NA) - y[ok, t - 1], later = if (t < 7) d[ok, t + 1] else NA)
}))
part <- function(kind, was, w) {
  r <- trial[trial$was == was, ]
  r$switched <- r$on != was
  if (kind == "before") { r <- r[!is.na(r$was2) & r$was2 == was, ]; r$v <- r$back }
  if (kind == "now") r$v <- r$change
  if (kind == "after") { r <- r[r$switched | (!is.na(r$later) & r$later == was), ]; r$v <- r$ahead }
  r <- r[!is.na(r$v), ]; r$w <- w[r$i]
  stay <- r[!r$switched, ]
  line <- lm(v ~ size + factor(t), stay, weights = w)
  moved <- r[r$switched & r$t %in% stay$t, ]
  c((if (was == 1) -1 else 1) * weighted.mean(moved$v - predict(line, moved), moved$w), sum(moved$w), nrow(moved))
}
both <- function(kind, w) { a <- part(kind, 0, w); b <- part(kind, 1, w); c(a[1], b[1], (a[1] * a[2] + b[1] * b[2]) / (a[2] + b[2])) }
out <- do.call(rbind, lapply(c("before", "now", "after"), function(kind) {
  one <- rep(1, n); h <- 1e-3
  moved <- sapply(unique(owner), function(m) (both(kind, 1 + h * (owner == m)) - both(kind, 1 - h * (owner == m))) / (2 * h))
  data.frame(at = c(before = -2, now = 0, after = 1)[kind], switch = c("on", "off", "both"), estimate = both(kind, one),
             std_error = sqrt(rowSums(moved^2)), n = c(part(kind, 0, one)[3], part(kind, 1, one)[3], part(kind, 0, one)[3] + part(kind, 1, one)[3]))
}))
write.csv(format(out, digits = 12), "values.csv", row.names = FALSE, quote = FALSE)
