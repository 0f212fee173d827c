"""Names that hold the name of a metric and mean something else: a maximum drawdown's length is no drawdown."""

from __future__ import annotations

__all__ = ["LOOKALIKES"]

#: Names separated by ``;``, in the form that `plain` gives; a figure under one of them is listed, not guessed.
LOOKALIKES = (
    # ratios of another kind
    "deflated sharpe; deflated sharpe ratio; probabilistic sharpe; probabilistic sharpe ratio; prob sharpe"
    "; prob sharpe ratio; smart sharpe; smart sortino; prob sortino; sharpe std; sharpe standard error; sharpe se"
    "; min sharpe; sharpe p value; sharpe t stat; sharpe stability; modified sharpe; adjusted sharpe"
    "; adjusted sharpe ratio; return drawdown ratio; return over max drawdown; return max drawdown"
    "; return over drawdown; return to drawdown; sharpe threshold; cost benefit ratio"
    # drawdowns, volatilities and returns of another kind
    "; max drawdown duration; maximum drawdown duration; drawdown duration; avg drawdown duration"
    "; average drawdown duration; max dd duration; longest drawdown; longest dd; longest dd days; drawdown days"
    "; avg drawdown; average drawdown; mean drawdown; avg dd; drawdown length; drawdown period; current drawdown"
    "; drawdown limit; max drawdown limit; drawdown threshold; time to recover from drawdown; drawdown recovery"
    "; downside volatility; downside vol; upside volatility; upside vol; implied volatility; implied vol"
    "; idiosyncratic volatility; volatility of volatility; vol of vol; target volatility; volatility target"
    "; vol target; target vol; benchmark volatility; volatility skew; var ratio"
    "; best daily return; worst daily return; best monthly return; worst monthly return; risk free return"
    "; expected return model; median return; median daily return; median monthly return; max monthly return"
    # trades counted or timed otherwise
    "; consecutive wins; max consecutive wins; consecutive losses; max consecutive losses; consecutive winners"
    "; consecutive losers; max consecutive winners; max consecutive losers; consecutive winning trades"
    "; consecutive losing trades; max consecutive winning trades; max consecutive losing trades"
    "; max consec wins; max consec losses; consec wins; consec losses; win streak; loss streak; losing streak"
    "; winning streak; max win streak; max loss streak"
    "; maximum consecutive wins; maximum consecutive losses; trades per year; trades per day; trades per month"
    "; trades per week; avg trades per day; average trades per day; avg trades per year; average trades per year"
    "; open trades; total open trades; total trades open; trades open; open trade pnl; open pnl; avg trade duration"
    "; average trade duration; max trade duration; max trade length; avg trade length; avg bars in trades"
    "; avg bars in winning trades; avg bars in losing trades; avg winning trade duration; avg losing trade duration"
    "; bars in trades; days in winning trades; days in losing trades; largest win; largest loss"
    "; largest winning trade; largest losing trade; best trade; worst trade; max win; max loss; biggest win"
    "; biggest loss; daily win rate; win rate daily; daily win ratio; weekly win rate; win rate weekly"
    "; monthly win rate; win rate monthly; win rate days; win rate months; win rate by month; yearly win rate"
    "; commission paid; commissions paid; total commission; total commissions; fees paid; total fees paid"
    "; total fees; total costs; total cost; total transaction costs; total trading costs; slippage cost"
    "; skipped trades; rejected trades; cancelled trades"
    # scores of another kind
    "; average precision; avg precision; average precision score; mean average precision; pr auc; auc pr; auprc"
    "; precision recall auc; top 2 accuracy; top 3 accuracy; top 5 accuracy; top 10 accuracy; top k accuracy"
    "; accuracy threshold; precision threshold; f1 threshold; baseline accuracy std"
    "; jaccard score; quadratic kappa; weighted kappa; mixed precision; floating precision; half precision"
    "; full precision; precision mode; adjusted r2; adj r2; adj r squared; adjusted r squared; r2 adj; r2 adjusted"
    "; pseudo r squ; pseudo r2; pseudo r squared; mcfadden r2; nrmse; normalized rmse; normalised rmse; rrmse"
    "; relative rmse; rmsle; msle; nmae; normalized mae; normalised mae; relative mae; median absolute error; medae"
    "; explained variance; explained variance score; mean squared log error; mean squared logarithmic error"
    "; median absolute percentage error; mdape; wmape; wape; bias variance; class bias; survivorship bias"
    "; look ahead bias; lookahead bias; bias term; use bias; bias correction; selection bias"
    "; correlation threshold; max correlation; min correlation; correlation matrix; autocorrelation"
    "; correlation with market; correlation with benchmark; correlation to benchmark; benchmark correlation"
    "; pairwise correlation; average pairwise correlation; market correlation; correlation to market"
    "; correlation with s&p; correlation to s&p"
    # settings
    "; best params; best parameters; best hyperparameters; tuned parameters; tuned params; params grid; loss weight"
    "; non trainable params; non trainable parameters; nontrainable params; optimizer params"
    "; adam beta; betas; beta 1; beta 2; loss function; support vectors; number of support vectors"
    "; ic window; ic skew; ic skewness; ic kurtosis"
    "; ic autocorrelation"
    "; sharpe window; volatility window; turnover limit; max turnover; turnover penalty; turnover constraint"
    "; max leverage; leverage limit; leverage cap; epoch time; time per epoch; seconds per epoch; epochs patience"
)
