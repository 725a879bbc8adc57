# Nested target trials of what ends for good, with loss: Rscript ending.R, in this folder; writes ending.csv and ending_values.csv
# pooled logistic regression (glm) over copies of partners, weights for being seen and for keeping to the strategy, sandwich by partner
suppressMessages({library(sandwich)})
set.seed(77); n <- 260; Q <- 7; exact <- glm.control(epsilon=1e-14, maxit=100)
rows <- list()
for (i in 1:n) { u <- rnorm(1); base <- rbinom(1,1,.4); on <- 0; h <- rnorm(1); lastq <- Q
 for (q in 1:Q) { h <- .6*h + .5*u*.3 + .4*on + rnorm(1,0,.7); if (!on) on <- rbinom(1,1,plogis(-2+.6*h+.4*base)) else on <- rbinom(1,1,plogis(1.6+.5*h))
  y <- rbinom(1,1,plogis(-2.6-.5*on-.5*h+.3*base)); rows[[length(rows)+1]] <- data.frame(partner=i, quarter=q, dinner=on, health=round(h,3), base=base, left=y)
  if (y==1) break; if (runif(1) < plogis(-3.3-.4*h)) break } }
d <- do.call(rbind, rows); d$health <- round(d$health,3); write.csv(d,"ending.csv",row.names=FALSE)
d$lag <- ave(d$dinner,d$partner,FUN=function(v) c(0,v[-length(v)])); d$q <- factor(d$quarter)
goes <- c(d$partner[-1]==d$partner[-nrow(d)],FALSE)
chance <- function(part,f){ p <- predict(glm(update(f,y~.),binomial,part,control=exact),type="response"); ifelse(part$y==1,p,1-p) }
fac <- function(y, open, num, den) { share <- tapply(y[open],d$quarter[open],mean); r <- open & as.character(d$quarter) %in% names(share)[share>0&share<1]; part <- droplevels(d[r,]); part$y <- y[r]; f <- rep(1,nrow(d)); f[r] <- chance(part,num)/chance(part,den); f }
all <- rep(TRUE,nrow(d))
one <- function(strategy, time) {
 d$keeps <- if (strategy=="keep") fac(d$dinner, all, ~q+lag, ~q+lag+health+base) else 1
 d$after <- fac(as.numeric(goes), d$left==0 & d$quarter<Q, ~q+dinner, ~q+lag+health+base+dinner)
 cp <- list(); for (s in which(d$lag==0)) { w <- 1; for (a in 0:3) { r <- s+a; if (r>nrow(d)||d$partner[r]!=d$partner[s]) break; if (a>0) w <- w*d$after[r-1]*d$keeps[r]; if (strategy=="keep" && d$dinner[r]!=d$dinner[s]) break
  cp[[length(cp)+1]] <- data.frame(partner=d$partner[s], y=d$left[r], A=d$dinner[s], a=a, trial=d$quarter[s], health=d$health[s], base=d$base[s], w=w); if (d$left[r]==1) break } }
 x <- do.call(rbind,cp); f <- if (time=="levels") y~A+factor(a)+factor(trial)+health+base else y~A+a+I(a^2)+trial+I(trial^2)+health+base
 m <- suppressWarnings(glm(f,binomial,x,weights=w,control=exact)); v <- vcovCL(m,x$partner,type="HC0",cadjust=FALSE); list(est=coef(m)[["A"]], se=sqrt(v["A","A"]), n=sum(x$A)) }
out <- do.call(rbind, lapply(c("start", "keep"), function(s) do.call(rbind, lapply(c("levels", "quadratic"), function(t) data.frame(strategy = s, time = t, one(s, t))))))
write.csv(format(out, digits = 12), "ending_values.csv", row.names = FALSE, quote = FALSE)
