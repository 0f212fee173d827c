"""What reports call the metrics: English first, then Portuguese, Spanish and Chinese."""

from __future__ import annotations

__all__ = ["SYNONYMS"]

#: Canonical name → names in use, separated by ``;``, already in the form that `plain` gives.
SYNONYMS: dict[str, str] = {
    # classification
    "accuracy": (
        "accuracy; acc; classification accuracy; directional accuracy of classes; acuracia"
        "; exatidao; acerto; taxa de acerto; exactitud; precision global; accuracy score; 准确率"
        "; 正确率; 准确度"
        "; genauigkeit; korrektklassifikationsrate; exactitude; justesse"
    ),
    "precision": (
        "precision; positive predictive value; ppv; precisao; precision score; 精确率; 查准率; 精度"
        "; prazision"
    ),
    "recall": (
        "recall; sensitivity; true positive rate; tpr; revocacao; sensibilidade; exhaustividad"
        "; sensibilidad; recall score; recobrado; 召回率; 查全率"
        "; sensitivitat; trefferquote recall; rappel; sensibilite"
    ),
    "specificity": (
        "specificity; true negative rate; tnr; especificidade; especificidad; 特异度"
        "; spezifitat; specificite"
    ),
    "f1": (
        "f1; f1 score; f score; f measure; fscore; f1score; pontuacao f1; puntuacion f1"
        "; valor f1; medida f1; f1值; f1分数"
        "; f1 mass; f1 wert; f mass; mesure f1"
    ),
    "f1_macro": (
        "macro f1; f1 macro; macro f1 score; f1 macro averaged; macro averaged f1; macro avg f1"
        "; f1 score macro; 宏平均f1; 宏f1"
    ),
    "f1_weighted": (
        "weighted f1; f1 weighted; weighted f1 score; f1 score weighted; f1 ponderado; f1 ponderada; 加权f1"
    ),
    "f1_micro": "micro f1; f1 micro; micro f1 score; 微平均f1",
    "precision_macro": "macro precision; precision macro; macro avg precision",
    "recall_macro": "macro recall; recall macro; macro avg recall",
    "precision_weighted": "weighted precision; precision weighted",
    "recall_weighted": "weighted recall; recall weighted",
    "balanced_accuracy": "balanced accuracy; bal acc; acuracia balanceada; exactitud balanceada; 平衡准确率",
    "auc": (
        "auc; roc auc; auroc; auc roc; area under the curve; area under the roc curve"
        "; area sob a curva; area bajo la curva; auc score; auc值; 曲线下面积"
    ),
    "mcc": "mcc; matthews correlation; matthews correlation coefficient; matthews; 马修斯相关系数",
    "kappa": "kappa; cohen kappa; cohens kappa; cohen's kappa",
    "brier": "brier; brier score; 布里尔分数",
    "log_loss": (
        "log loss; logloss; cross entropy; cross entropy loss; entropia cruzada; 对数损失; 交叉熵"
        "; binary logloss; binary crossentropy; categorical crossentropy; binary cross entropy; mlogloss"
        "; multi logloss; bce loss"
    ),
    "error_rate": "error rate; misclassification rate; taxa de erro; tasa de error; 错误率",
    "random_baseline": (
        "random baseline; chance level; random guess; baseline aleatorio; linha de base aleatoria; 随机基线"
    ),
    "prevalence": (
        "prevalence; base rate; positive rate; up days share; share of up days; prevalencia; taxa base; tasa base"
    ),
    "negative_predictions": (
        "negative predictions; negative ratio; negative prediction ratio; share of negative predictions"
    ),
    "confidence_threshold": (
        "confidence threshold; probability threshold; decision threshold; predictions with confidence"
    ),
    # regression
    "r2": (
        "r2; r2 score; r squared; rsquared; r square; coefficient of determination"
        "; coeficiente de determinacao; coeficiente de determinacion; 决定系数; 拟合优度"
        "; bestimmtheitsmass; coefficient de determination"
    ),
    "mae": (
        "mae; mean absolute error; erro absoluto medio; error absoluto medio"
        "; average absolute error; 平均绝对误差; average error"
        "; mittlerer absoluter fehler; erreur absolue moyenne; eam"
    ),
    "rmse": (
        "rmse; root mean squared error; root mean square error; raiz do erro quadratico medio"
        "; raiz del error cuadratico medio; typical error; 均方根误差"
        "; reqm; wurzel des mittleren quadratischen fehlers; racine de l erreur quadratique moyenne"
    ),
    "mse": ("mse; mean squared error; mean square error; erro quadratico medio; error cuadratico medio; 均方误差"),
    "mape": (
        "mape; mean absolute percentage error; average percentage error"
        "; erro percentual absoluto medio; error porcentual absoluto medio"
        "; mean absolute percent error; 平均绝对百分比误差"
    ),
    "smape": "smape; symmetric mape",
    "bias": ("bias; mean error; mean bias; mbe; mean bias error; vies; sesgo; erro medio; error medio; 偏差"),
    "residual_std": (
        "residual std; std of residuals; residual standard deviation; standard deviation of residuals; error std"
        "; std of errors; standard deviation of errors; std error of residuals; residual standard error"
        "; desvio padrao dos residuos; desvio padrao do erro; desviacion estandar de los residuos; 残差标准差"
    ),
    "max_error": "max error; maximum error; worst error; erro maximo; error maximo; 最大误差",
    "theil_u": "theil u; theil's u; theils u; theil u2; u de theil",
    "mase": "mase; mean absolute scaled error",
    "correlation": ("correlation; pearson; pearson correlation; pearson r; corr; correlacao; correlacion; 相关系数"),
    "target_mean": "target mean; mean of target; mean price; average price",
    "target_std": "target std; std of target; target standard deviation",
    # signal
    "ic": (
        "ic; information coefficient; mean ic; ic mean; average ic; pearson ic; daily ic"
        "; coeficiente de informacao; coeficiente de informacion; 信息系数; ic均值"
    ),
    "rank_ic": (
        "rank ic; spearman; spearman correlation; spearman ic; spearman rho; rankic"
        "; mean rank ic; rank ic mean; rank correlation; spearman rank correlation"
        "; correlacao de spearman; correlacion de spearman; 秩相关系数; 排序ic; 秩ic; 斯皮尔曼"
    ),
    "ic_std": "ic std; std of ic; ic standard deviation; ic volatility; std ic; ic标准差",
    "rank_icir": "rank icir; rankicir; rank ic ir; rank ic information ratio",
    "rank_ic_std": "rank ic std; spearman std; std of rank ic; rank ic standard deviation",
    "icir": (
        "icir; ic ir; ic information ratio; 信息比率ic"
        "; risk adjusted ic; ic sharpe; ic risk adjusted"
    ),
    "ic_t": (
        "ic t; ic t stat; ic t statistic; t stat of ic; ic t值"
        "; t stat ic; ic tstat; ic t value; t value of ic; tstat ic"
    ),
    "ic_positive_share": "ic > 0; share of positive ic; positive ic days; ic positive; ic > 0 share; ic hit rate",
    "hit_rate": (
        "hit rate; hit ratio; directional accuracy; direction accuracy; sign accuracy"
        "; correct direction; taxa de acerto direcional; acuracia direcional; acerto de direcao"
        "; tasa de acierto; precision direccional; acierto direccional; 方向准确率; 命中率; 方向正确率"
        "; dir acc; directional acc; direction acc; richtungsgenauigkeit; trefferquote"
        "; precision directionnelle; taux de bonne direction"
    ),
    "quantile_return": (
        "mean actual return; average actual return; actual return; realized return"
        "; realised return; quintile return; decile return; quantile return"
    ),
    "quantile_predicted_return": "mean predicted return; average predicted return; predicted return",
    "quantile_spread": (
        "quantile spread; quintile spread; decile spread; long short spread; top minus bottom"
        "; top bottom spread; spread top bottom; long short return; 多空收益"
    ),
    # portfolio
    "sharpe": (
        "sharpe; sharpe ratio; sharpe net; net sharpe; annualized sharpe; annualised sharpe"
        "; annual sharpe; annualized sharpe ratio; annualised sharpe ratio; indice de sharpe"
        "; razao de sharpe; ratio de sharpe; sharpe anualizado; 夏普比率; 夏普率; 夏普"
        "; ratio de sharpe annualise; sharpe verhaltnis; annualisierte sharpe ratio"
    ),
    "sharpe_gross": (
        "gross sharpe; sharpe gross; sharpe before costs; gross sharpe ratio; sharpe ratio gross; sharpe bruto"
    ),
    "sortino": "sortino; sortino ratio; indice de sortino; ratio de sortino; 索提诺比率; 索提诺",
    "calmar": "calmar; calmar ratio; indice de calmar; ratio de calmar; 卡玛比率; 卡尔玛比率",
    "information_ratio": (
        "information ratio; ir; ratio de informacion; razao de informacao; indice de informacao; 信息比率"
    ),
    "annual_return": (
        "annual return; annualized return; annualised return; cagr; return per year"
        "; yearly return; ann return; compound annual growth rate; annual return net"
        "; net annual return; retorno anual; retorno anualizado; rentabilidade anual"
        "; rentabilidad anual; rendimiento anual; rentabilidad anualizada; 年化收益率; 年化收益; 年化回报"
        "; rendite p a; jahrliche rendite; jahresrendite; annualisierte rendite; rendement annualise"
        "; rendement annuel; rentabilite annuelle; annual ret; return ann; annualized ret; ann ret"
    ),
    "annual_return_gross": (
        "gross annual return; annual return gross; annualized gross return; gross annualized return"
    ),
    "total_return": (
        "total return; roi; return on investment; cumulative return; overall return; net profit pct; return total"
        "; retorno total; retorno acumulado; rentabilidade total; rentabilidad total"
        "; rentabilidad acumulada; 总收益率; 累计收益率; 累计收益; 总收益"
        "; cumulative returns; cum return; cumulative ret; gesamtrendite; kumulierte rendite"
        "; rendement total; rendement cumule; rentabilite totale"
    ),
    "annual_volatility": (
        "annual volatility; annualized volatility; annualised volatility; volatility; vol"
        "; annual vol; ann vol; annualized vol; annualised vol; volatility ann; volatilidade"
        "; volatilidade anual; volatilidade anualizada; volatilidad; volatilidad anual"
        "; volatilidad anualizada; 年化波动率; 波动率"
        "; annualized std; annualised std; annualized standard deviation; annual standard deviation"
        "; volatility p a; volatilitat; volatilitat p a; jahrliche volatilitat; annualisierte volatilitat"
        "; volatilite; volatilite annualisee; volatilite annuelle"
    ),
    "mean_return": (
        "mean return; average return; mean daily return; average daily return; daily return"
        "; daily mean return; retorno medio; retorno medio diario; rentabilidad media; 平均收益"
        "; 日均收益"
        "; mean monthly return; average monthly return; mean weekly return; average weekly return"
        "; avg daily return; avg monthly return; daily mean; monthly mean; avg return"
    ),
    "return_std": (
        "daily std; daily volatility; std of returns; daily vol; return std"
        "; std of daily returns; volatilidade diaria; volatilidad diaria; 日波动率"
        "; monthly volatility; monthly vol; monthly std; weekly volatility; weekly vol; weekly std"
        "; std of monthly returns; monthly standard deviation; daily standard deviation"
    ),
    "max_drawdown": (
        "max drawdown; maximum drawdown; mdd; max dd; maxdd; worst drawdown; drawdown"
        "; drawdown maximo; rebaixamento maximo; maxima caida; caida maxima; reduccion maxima"
        "; perda maxima; 最大回撤; 回撤"
        "; maximaler drawdown; maximaler ruckgang; perte maximale; drawdown max; drawdown maximal"
    ),
    "alpha": "alpha; annual alpha; annualized alpha; jensen alpha; alfa; 阿尔法",
    "beta": "beta; market beta; 贝塔",
    "excess_return": (
        "excess return; annual excess return; active return; excess annual return"
        "; retorno excedente; exceso de retorno; 超额收益; 超额收益率"
    ),
    "benchmark_return": (
        "benchmark return; buy and hold return; buy & hold return; buy hold return"
        "; market return; index return; buy and hold; retorno do benchmark"
        "; retorno del benchmark; 基准收益"
    ),
    "turnover": (
        "turnover; daily turnover; annual turnover; average turnover; mean turnover; giro"
        "; rotacion; rotatividade; 换手率"
    ),
    "annual_cost": (
        "annual cost; annual costs; cost per year; cost drag; annual trading cost; costo anual; custo anual"
    ),
    "cost_rate": (
        "transaction cost; transaction costs; cost per trade; commission; trading cost; costs"
        "; cost; custo; costo; custos de transacao; costos de transaccion; 交易成本; 手续费"
    ),
    "var": "value at risk; var 95; var 99; var95; var99; 95% var; 99% var; daily var; 在险价值",
    "cvar": "cvar; expected shortfall; conditional var; cvar 95; conditional value at risk",
    "best_day": "best day; best daily return; largest daily gain; melhor dia; mejor dia; 最佳单日收益",
    "worst_day": "worst day; worst daily return; largest daily loss; pior dia; peor dia; 最差单日收益",
    "skewness": "skewness; skew; assimetria; asimetria; 偏度",
    "kurtosis": "kurtosis; excess kurtosis; curtose; curtosis; 峰度",
    "leverage": "leverage; gross leverage; gross exposure; alavancagem; apalancamiento; 杠杆",
    # trades
    "trades": (
        "trades; number of trades; total trades; trade count; no of trades; num trades"
        "; n trades; total de operacoes; numero de operacoes; numero de operaciones"
        "; total de operaciones; operacoes; operaciones; 交易次数; 总交易次数"
        "; total number of trades; closed trades; total closed trades; trades closed; nombre de trades"
        "; nombre de transactions; anzahl trades; anzahl transaktionen; trades executed"
    ),
    "winning_trades": (
        "winning trades; wins; winners; profitable trades; operacoes vencedoras"
        "; operaciones ganadoras; 盈利次数; 盈利交易"
        "; number winning trades; number of winning trades; total won; won trades; trades won; gewinntrades"
        "; trades gagnants"
    ),
    "losing_trades": (
        "losing trades; losses; losers; operacoes perdedoras; operaciones perdedoras; 亏损次数; 亏损交易"
        "; number losing trades; number of losing trades; total lost; lost trades; trades lost"
        "; verlusttrades; trades perdants"
    ),
    "win_rate": (
        "win rate; winrate; winning rate; win ratio; win pct; percent profitable"
        "; taxa de vitoria; taxa de ganho; tasa de ganancia; porcentaje de aciertos; 胜率"
        "; percent profitable trades; winning trades pct; gewinnrate"
        "; taux de reussite; taux de gain; strike rate; winning percentage; win percentage"
    ),
    "average_win": (
        "average win; avg win; mean win; average winning trade; ganho medio; ganancia media; 平均盈利"
        "; avg winning trade; average winner; avg winner; average profit per winning trade"
        "; durchschnittlicher gewinn; gain moyen"
    ),
    "average_loss": (
        "average loss; avg loss; mean loss per trade; average losing trade; perda media; perdida media; 平均亏损"
        "; avg losing trade; average loser; avg loser; durchschnittlicher verlust; perte moyenne"
    ),
    "total_profit": (
        "total profit; net profit; total pnl; total p&l; net pnl; p&l; pnl; lucro total"
        "; lucro liquido; beneficio total; beneficio neto; 总盈利; 净利润"
    ),
    "gross_profit": "gross profit; lucro bruto; beneficio bruto; 毛利",
    "gross_loss": "gross loss; prejuizo bruto; perdida bruta",
    "profit_factor": (
        "profit factor; fator de lucro; factor de beneficio; factor de ganancia; 盈利因子; 利润因子; 盈亏因子"
        "; profitfaktor; facteur de profit"
    ),
    "payoff_ratio": (
        "payoff ratio; payoff; win loss ratio; avg win loss; average win loss; win loss; risk reward"
        "; risk reward ratio; 盈亏比"
        "; avg win avg loss; average win average loss; ratio avg win avg loss"
        "; ratio average win average loss; avg win to avg loss; avg winner avg loser; win to loss ratio"
        "; avg win loss ratio; average win loss ratio; average win to average loss"
    ),
    "expectancy": (
        "expectancy; expected value per trade; expectancy per trade; avg trade; average trade"
        "; expectativa; esperanza matematica; 期望值"
    ),
    # training
    "train_loss": (
        "train loss; training loss; loss train; final train loss; perda de treino"
        "; perda de treinamento; perdida de entrenamiento; 训练损失"
    ),
    "validation_loss": (
        "validation loss; val loss; valid loss; loss val; final val loss; perda de validacao"
        "; perdida de validacion; 验证损失"
    ),
    "test_loss": "test loss; perda de teste; perdida de prueba; 测试损失",
    "loss_gap": (
        "overfitting gap; generalization gap; generalisation gap; train val gap"
        "; training validation gap; gap; loss gap; final gap; initial gap; 过拟合差距"
    ),
    "epochs_run": (
        "epochs; epochs trained; epochs run; trained epochs; total epochs; training epochs; epocas; 训练轮数"
    ),
    "best_epoch": "best epoch; best model epoch; epoch; melhor epoca; mejor epoca; 最佳轮数; 最佳epoch",
    "parameters": (
        "parameters; total parameters; total params; number of parameters; params"
        "; model parameters; parameter count; parametros; total de parametros"
        "; numero de parametros; 参数量; 参数总数; 总参数"
    ),
    "parameters_trainable": (
        "trainable parameters; trainable params; parametros treinaveis; parametros entrenables; 可训练参数"
    ),
    "file_size": (
        "file size; model size; model file size; checkpoint size; model file; scaler file"
        "; size on disk; tamanho do arquivo; tamano del archivo; 模型大小"
    ),
    "training_time": (
        "training time; train time; time to train; runtime; expected runtime; tempo de treino"
        "; tiempo de entrenamiento; 训练时间"
    ),
    "latency": "latency; inference time; inference latency; latencia; 延迟",
    "throughput": "throughput; samples second",
    "n_samples": (
        "n samples; samples; number of samples; sample size; observations; n obs; test samples"
        "; train samples; amostras; numero de amostras; muestras; numero de muestras; test size"
        "; n test; support; 样本数; 样本量"
        "; soporte; suporte; n observations; no observations; number of observations; eval samples"
        "; predict samples; num samples; num examples; n examples"
    ),
    "configurations_tested": (
        "configurations tested; configs tested; models tested; trials; number of trials"
        "; n trials; hyperparameter trials; strategies tested; configuracoes testadas"
        "; configuraciones probadas; 试验次数"
    ),
    "sessions": (
        "sessions; trading days; number of days; n days; days traded; trading sessions"
        "; dias de negociacao; dias de mercado; dias de negociacion; 交易日"
        "; handelstage; seances; jours de bourse"
    ),
    # derived, statistics
    "feature_importance": "feature importance; importance; shap importance; 特征重要性",
    "class_share": "class share; class distribution; class proportion; class balance",
    "t_statistic": "t stat; t statistic; tstat; t value; estatistica t; estadistico t; t统计量; t值",
    "z_statistic": "z stat; z score; z statistic",
    "p_value": "p value; pvalue; p val; valor p; p值",
    "standard_error": "standard error; std error; std err; erro padrao; error estandar; 标准误",
    "degrees_of_freedom": "degrees of freedom",
    "slope": "slope",
}
