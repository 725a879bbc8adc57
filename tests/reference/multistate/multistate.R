# Reference numbers for multi-state estimates: Rscript multistate.R (in this folder); writes values.csv and session.txt.
suppressMessages({library(survival); library(etm); library(msm)})
out <- list()
keep <- function(case, key, quantity, value) {
  out[[length(out) + 1]] <<- data.frame(case = case, key = key, quantity = quantity, value = value)
}

# six states: occupancy with the infinitesimal jackknife (survfit), probabilities with Greenwood (etm)
six <- read.csv("six_states.csv", stringsAsFactors = FALSE)
names6 <- paste0("s", 0:5)
six$event <- factor(six$to, c("cens", names6))
six$istate <- factor(six$from, names6)
# influence = TRUE: survival 3.5-3 leaves the estimation of the starting shares out of the standard errors otherwise
fit <- survfit(Surv(entry, exit, event) ~ 1, data = six, id = partner, istate = istate, influence = TRUE)
at <- c(2, 5, 9)
s <- summary(fit, times = at)
for (i in seq_along(at)) for (j in seq_along(fit$states)) {
  key <- paste(fit$states[j], at[i])
  keep("six_occupancy", key, "estimate", s$pstate[i, j])
  keep("six_occupancy", key, "std_error", s$std.err[i, j])
}
given <- survfit(Surv(entry, exit, event) ~ 1, data = six, id = partner, istate = istate)
s <- summary(given, times = at)
for (i in seq_along(at)) for (j in seq_along(given$states)) keep("six_given", paste(given$states[j], at[i]), "std_error", s$std.err[i, j])
from0 <- survfit(Surv(entry, exit, event) ~ 1, data = six, id = partner, istate = istate, p0 = c(1, 0, 0, 0, 0, 0))
s <- summary(from0, times = at)
for (i in seq_along(at)) for (j in seq_along(from0$states)) {
  key <- paste(from0$states[j], at[i])
  keep("six_from_s0", key, "estimate", s$pstate[i, j])
  keep("six_from_s0", key, "std_error", s$std.err[i, j])
}
tra <- matrix(FALSE, 6, 6, dimnames = list(names6, names6))
for (k in which(six$to != "cens")) tra[six$from[k], six$to[k]] <- TRUE
e <- etm(data.frame(id = six$partner, from = six$from, to = six$to, entry = six$entry, exit = six$exit), names6, tra, "cens", s = 1)
for (t in at) {
  place <- max(which(e$time <= t))
  for (i in 1:4) for (j in 1:6) {
    key <- paste(names6[i], names6[j], t)
    cell <- paste(names6[i], names6[j])
    keep("six_probabilities", key, "estimate", e$est[i, j, place])
    keep("six_probabilities", key, "std_error", sqrt(e$cov[cell, cell, place]))
  }
}

# reversible, late entry, by group; and the landmark estimator: the same on those who are in the state at time 4
rev <- read.csv("reversible.csv", colClasses = c(from = "character", to = "character"))
tra <- matrix(c(FALSE, TRUE, TRUE, TRUE, FALSE, TRUE, FALSE, FALSE, FALSE), 3, 3, byrow = TRUE, dimnames = list(0:2, 0:2))
cells <- c("0 0", "0 1", "0 2", "1 0", "1 1", "1 2")
for (g in c("with", "without")) {
  own <- rev[rev$group == g, ]
  e <- etm(data.frame(id = own$partner, from = own$from, to = own$to, entry = own$entry, exit = own$exit), c("0", "1", "2"), tra, "cens", s = 0)
  for (t in c(3, 6, 10)) {
    place <- max(which(e$time <= t))
    for (cell in cells) {
      i <- strsplit(cell, " ")[[1]]
      keep(paste0("reversible_", g), paste(cell, t), "estimate", e$est[i[1], i[2], place])
      keep(paste0("reversible_", g), paste(cell, t), "std_error", sqrt(e$cov[cell, cell, place]))
    }
  }
  for (state in c("0", "1")) {
    there <- unique(own$partner[own$from == state & own$entry <= 4 & own$exit > 4])
    later <- own[own$partner %in% there & own$exit > 4, ]
    later$entry <- pmax(later$entry, 4)
    e <- etm(data.frame(id = later$partner, from = later$from, to = later$to, entry = later$entry, exit = later$exit),
             c("0", "1", "2"), tra, "cens", s = 4)
    for (t in c(6, 10)) {
      place <- max(which(e$time <= t))
      for (to in c("0", "1", "2")) {
        cell <- paste(state, to)
        keep(paste0("landmark_", g), paste(cell, t), "estimate", e$est[state, to, place])
        keep(paste0("landmark_", g), paste(cell, t), "std_error", sqrt(e$cov[cell, cell, place]))
      }
    }
  }
}

# a Cox model of each move; who went from s2 to s4 are all "known", so that effect has no estimate there and nowhere else
went <- unique(six$partner[six$from == "s2" & six$to == "s4"])
six$known <- as.numeric(six$partner %in% went | six$partner %% 3 == 0)
moves <- unique(six[six$to != "cens", c("from", "to")])
moves <- moves[!(moves$from == "s2" & moves$to == "s4"), ]
for (i in seq_len(nrow(moves))) {
  f <- coxph(Surv(entry, exit, to == moves$to[i]) ~ known, data = six[six$from == moves$from[i], ], cluster = partner,
             ties = "breslow", eps = 1e-13, iter.max = 50)
  keep("separated", paste(moves$from[i], moves$to[i]), "estimate", coef(f)[[1]])
  keep("separated", paste(moves$from[i], moves$to[i]), "std_error", sqrt(vcov(f)[1, 1]))
}

# coxph's own multi-state model: ties by Efron (as it does by itself; asked to, survival 3.5-3 takes Breslow's), sandwich by partner
f <- coxph(Surv(entry, exit, event) ~ size, data = transform(six, size = (partner * 7) %% 5), id = partner, istate = istate,
           control = coxph.control(eps = 1e-13, iter.max = 50))
v <- summary(f)$coefficients
place <- do.call(rbind, strsplit(sub(".*_", "", rownames(v)), ":"))
keep("efron", paste(f$states[as.integer(place[, 1])], f$states[as.integer(place[, 2])]), "estimate", v[, "coef"])
keep("efron", paste(f$states[as.integer(place[, 1])], f$states[as.integer(place[, 2])]), "std_error", v[, "robust se"])

# where a partner with size 3 goes by these models: survfit's default is exp(dA) at each time, stype = 1 the product of I + dA;
# survival 3.5-3 gives no errors here, so leave out each partner in turn; of one move alone it gives them
d <- transform(six, size = (partner * 7) %% 5)
fit_moves <- function(d) coxph(Surv(entry, exit, event) ~ size, data = d, id = partner, istate = istate, ties = "breslow",
                               control = coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 50))
predict_moves <- function(f, stype, begin, states = names6) {
  s <- survfit(f, newdata = data.frame(size = 3), stype = stype, p0 = as.numeric(f$states == begin))
  found <- s$pstate[sapply(at, function(t) max(which(s$time <= t))), 1, ]
  colnames(found) <- f$states
  found[, states]
}
f <- fit_moves(d)
for (stype in 1:2) for (begin in names6[1:4]) {
  found <- predict_moves(f, stype, begin)
  for (i in seq_along(at)) for (to in names6)
    keep(c("predicted_product", "predicted_exponential")[stype], paste(begin, to, at[i]), "estimate", found[i, to])
}
left <- lapply(unique(d$partner), function(one) predict_moves(fit_moves(d[d$partner != one, ]), 2, "s0"))
n <- length(left)
for (i in seq_along(at)) for (to in names6) {
  v <- sapply(left, function(one) one[i, to])
  keep("predicted_exponential", paste("s0", to, at[i]), "jackknife", sqrt((n - 1) / n * sum((v - mean(v))^2)))
}
one <- coxph(Surv(entry, exit, to != "cens") ~ size, data = d[d$from == "s0", ], cluster = partner, ties = "breslow",
             control = coxph.control(eps = 1e-13, toler.chol = 1e-14, iter.max = 50))
s <- summary(survfit(one, newdata = data.frame(size = 3)), times = at)
for (i in seq_along(at)) {
  keep("predicted_stay", at[i], "estimate", s$surv[i])
  keep("predicted_stay", at[i], "std_error", s$std.err[i])
}

# panel data: free, constrained (equal intensities, shared covariate), fixed intensity
v <- read.csv("visits.csv")
Q <- rbind(c(0, .25, 0, .1), c(.2, 0, .2, .1), c(0, .2, 0, .2), c(0, 0, 0, 0))
fit_one <- function(case, ...) {
  m <- msm(state ~ time, subject = partner, data = v, qmatrix = Q, deathexact = 4, method = "BFGS",
           control = list(fnscale = 500, reltol = 1e-13, maxit = 5000), ...)
  keep(case, "", "minus2loglik", m$minus2loglik)
  q <- qmatrix.msm(m)
  for (i in 1:3) for (j in 1:4) if (q$estimates[i, j] != 0) for (what in c("estimates", "SE", "L", "U"))
    keep(case, paste(i, j), paste0("q_", what), q[[what]][i, j])
  p <- pmatrix.msm(m, t = 2)
  for (i in 1:3) for (j in 1:4) keep(case, paste(i, j), "p_estimates", p[i, j])
  so <- sojourn.msm(m)
  for (i in 1:3) for (what in c("estimates", "SE", "L", "U")) keep(case, i, paste0("sojourn_", what), so[i, what])
  if (case %in% c("covariate", "shared")) {
    h <- hazard.msm(m)[["big"]]
    for (r in rownames(h)) for (what in c("HR", "L", "U")) keep(case, r, paste0("ratio_", what), h[r, what])
  }
  m
}
free <- fit_one("free")
equal <- fit_one("equal", qconstraint = c(1, 2, 3, 4, 2, 5, 6))
cov <- fit_one("covariate", covariates = ~big)
shared <- fit_one("shared", covariates = ~big, constraint = list(big = rep(1, 7)))
l <- lrtest.msm(shared, cov)
keep("lrt", "", "statistic", l[1, 1]); keep("lrt", "", "df", l[1, 2]); keep("lrt", "", "p_value", l[1, 3])
# intensities that change at time 3: the generator of each piece, and a walk through both from 1 to 5
pci <- fit_one("changing", pci = 3)
for (piece in c("[-Inf,3)", "[3,Inf)")) {
  q <- qmatrix.msm(pci, covariates = list(timeperiod = piece))
  for (i in 1:3) for (j in 1:4) if (q$estimates[i, j] != 0) for (what in c("estimates", "SE", "L", "U"))
    keep("changing", paste(i, j), paste0(piece, "_", what), q[[what]][i, j])
}
p <- pmatrix.msm(pci, t = 4, t1 = 1)
for (i in 1:3) for (j in 1:4) keep("changing", paste(i, j), "walk_estimates", p[i, j])

values <- do.call(rbind, out)
values$value <- formatC(values$value, digits = 15, format = "g")
write.csv(values, "values.csv", row.names = FALSE, quote = TRUE)
writeLines(c(R.version.string, sapply(c("survival", "etm", "msm"), function(p) paste(p, packageVersion(p)))), "session.txt")
