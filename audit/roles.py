"""What the words of a heading, a label or a table header say about the figures they stand over."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from assay.audit.naming import Mention, mentions, plain

__all__ = ["Role", "is_setting", "read_role", "statistic_of"]

_SPLIT_WORDS = {
    "walk-forward": "walk forward; walkforward; rolling out of sample",
    "validation": "validation; val; valid; validacao; validacion; dev set; development set; 验证集; 验证; validierung"
    "; validierungsdaten; eval; evaluation set",
    "test": "test; testing set; holdout; hold out; out of sample; oos; teste; prueba; 测试集; 样本外"
    "; fora da amostra; fuera de muestra; 测试; testdaten; testmenge; testset; hors echantillon",
    "train": "train; training set; training data; training; in sample; treino; treinamento"
    "; entrenamiento; 训练集; 样本内; trainingsdaten; entrainement",
}
_SPLITS = tuple((name, tuple(words.split("; "))) for name, words in _SPLIT_WORDS.items())

_CLASSES_TEXT = (
    "alta; alza; baixa; baja; bajada; bear; bearish; bull; bullish; buy; compra; comprar"
    "; down; flat; hold; long; longs; mantener; manter; negative; neutral; positive; sell"
    "; short; shorts; subida; up; venda; vender; venta; 上涨; 下跌; 买入; 卖出; 持有"
)
_CLASSES = frozenset(_CLASSES_TEXT.split("; "))

#: Words in which those of a class name none.
_IDIOMS = re.compile(
    r"\b(?:in short|short of|hold ?out|buy (?:and|&) hold|(?:long|short) (?:term|run|history|story|version)"
    r"|as long as|so long|how long|too (?:long|short)|up to|up ?date|set ?up|follow up|warm up|start up|speed up"
    r"|mark up|look ?up|wrap up|sum up|summing up|break ?down|drill down|slow ?down|top down|bottom up|scale up"
    r"|flat (?:fee|rate|commission)|no long|false positive|true positive|positive rate)\b"
)

_EARLIER_TEXT = (
    "anterior; base; baseline; before; benchmark; inicial; initial; naive; old; original; previous; random; 原始; 基线"
)
_EARLIER = frozenset(_EARLIER_TEXT.split("; "))

_GOALS_TEXT = (
    "acceptance; achieve; alert; alvo; confirm; criteria; criterion; expected; goal"
    "; goals; hypothesis; meta; metas; minimum; objective; objetivo; objetivos; projected"
    "; required; requirement; requirements; target; targets; threshold; thresholds; 目标"
)
_GOALS = frozenset(_GOALS_TEXT.split("; "))

#: Words of headings that tell no runs apart.
_NEUTRAL_TEXT = """
    a abstract accuracy-based achieved achievement achievements action adjusted after aggregate aggregated all
    also an analise analisis analysis analyzed and ann annual annualised annualized appendix are as at attention
    avaliacao average avg backtest backtesting backtests before benchmark best bottom bps by card carteira
    cartera characteristics check checkpoint checks class classes classification combined command comparison
    complete completed components conclusao conclusion conclusions config configuration conjunto cost costs
    confusion count created cross current curve curves da dados daily das data dataset datos days de del deployment
    desempenho detail details deviation did didn didn't discussion distribution do dos dr e economic el em en
    entrenamiento error errors evaluacion evaluation evolution example excellent executive expected feature
    features fees figure figures file files final financial finding findings for forecast forecasting from full
    future general geral glance good got gross headline high higher highlights how hyperparameters i identified
    ii iii immediate implemented implications importance improved improvement improvements in indicator
    indicators inference information insight insights interpretation introduction is issues it iv key la las
    learning learnings level limitations live long-short loop los loss losses low lower main maintenance
    majority matrix max maximum mean measure measures median medidas metadata metric metrica metricas metrics min
    minimum minority model modelo moderate modest monitor monitoring monthly n needs net next no not note notes
    number o observations of on oos our ours out over overall overfitting overview paper pct per percent
    percentile percentiles perfect performance period periods poor portfolio pos position post prediccion
    prediction predictions predictive previsao price principais principales procedure process production profile
    proposed prueba quality quick rate ratio ratios ready reasons recommendations recommended reduced reference
    regression relative rendimiento report result resultado resultados results resumen resumo return returns
    riesgo risco risk s sample saved score scores section sectional set setup shap signal signals significance
    size snapshot sobre specifications speed stability stable stat state statistical statistics stats status std
    strategy strength strengths strong successful summary t table technical temporal test teste tests the then
    this time timeline tl to top total trading train training treinamento treino usd use used using v v1 v2
    validacao validacion validated validation valor valores value values versus vi vs was we weaknesses weights
    were what which whole why with work worked works x y year years yes 主要 主要指标 分析 分类 回归
    回测 回测结果 性能 总结 指标 数值 概述
    achieves achieving following during below above reached reaches obtained shown given see listed according were
    been has have had index
    auf aus bericht bewertung das der die ergebnis ergebnisse für fur handelsstrategie im kennzahl kennzahlen
    klassifikation leistung mit modell modellbericht rendite risiko strategie ubersicht und uber von werte wert zu
    zur zusammenfassung
    apercu au aux avec des donnees du et evaluation indicateur indicateurs jeu le les modele par performances pour
    rapport rendement resultats resume risque sur synthese une valeur valeurs
    模型 模型评估 测试 策略 结果 结论 绩效 表现 训练 评估 验证
"""
_NEUTRAL = frozenset(_NEUTRAL_TEXT.split())
_NEUTRAL |= frozenset(
    [
        "task",
        "tasks",
        "classificacao",
        "clasificacion",
        "regressao",
        "regresion",
        "estrategia",
        "setup",
        "modelos",
        "clase",
        "clases",
    ]
)
_CJK_NEUTRAL = sorted(
    (
        {word for word in _NEUTRAL if ord(word[0]) >= 0x2E80}
        | {phrase for _, phrases in _SPLITS for phrase in phrases if ord(phrase[0]) >= 0x2E80}
        | {"主要", "的", "与", "和", "分析", "报告", "集"}
    ),
    key=len,
    reverse=True,
)
#: Words whose number tells two runs apart.
_NUMBERED = re.compile(
    r"\b(phase|config|configuration|model|stage|experiment|exp|run|version|option|variant|scenario"
    r"|case)\s+(\d+|[a-d])\b"
)
_SETTINGS_TEXT = (
    "learning rate; lr; min lr; batch; batch size; dropout; dropout rate; hidden"
    "; hidden size; hidden units; hidden dim; units; lstm units; layers; num layers"
    "; n layers; number of layers; lookback; lookback window; look back; window"
    "; window size; rolling window; horizon; prediction horizon; forecast horizon"
    "; weight decay; temperature; patience; min delta; gradient clip; gradient clipping"
    "; grad clip; clip norm; max norm; factor; gamma; delta; huber delta; seed"
    "; random seed; optimizer; scheduler; sequence length; seq len; embedding"
    "; embedding dim; heads; attention heads; num heads; kernel; kernel size; l2; l1"
    "; regularization; embargo; purge; stop loss; take profit; position size"
    "; max positions; positions; rebalance; rebalancing; top n; top k; quantile"
    "; quantiles; train split; validation split; test split; split; train size"
    "; max epochs; epochs max; warmup; steps; tau; estimators; n estimators; max depth"
    "; depth; num leaves; min samples; subsample; colsample; timesteps; time steps"
    "; features; n features; input size; num features; input features; input dim"
    "; output size; folds; n folds; n splits; cv folds; minimum records; beta1; beta2"
    "; momentum; reduction factor; minimum learning rate; initial learning rate"
    "; min learning rate; shape; sequence; prediction days; dense units; rank weight"
    "; regression weight; class weights; w action; w return; focal loss; focal loss gamma"
    "; loss weight; loss weights; initial capital; capital; capital inicial"
    "; hidden dimension; time period; period; frequency; universe; assets; stocks"
    "; tickers; ram; gpu; vram; training set; validation set; test set; python; version"
    "; model version; taxa de aprendizado; tasa de aprendizaje; tamanho do lote"
    "; tamano de lote; epocas maximas; janela; ventana; horizonte; camadas; capas"
    "; neuronios; neuronas; paciencia; 学习率; 批大小; 批次大小; 隐藏层; 窗口; 层数; 丢弃率; 随机种子; 初始资金; 回看"
    "; risk free; risk free rate; hardware; disk; storage; lstm layer; dropout layer"
    "; action head; return head; rebalance frequency; holding period; lag; lags; degree"
    "; eps; epsilon"
)
_SETTINGS = tuple(_SETTINGS_TEXT.split("; "))

#: Settings only when they are the whole label.
_EXACT_TEXT = "inference; input; memory; output; phase; test; train; training; validation; versao; weights"
_EXACT = frozenset(_EXACT_TEXT.split("; "))

_STATISTICS = {
    phrase: name
    for name, phrases in (
        ("mean", "mean; average; avg; media; promedio; 均值"),
        ("std", "std; stdev; sd; standard deviation; desvio padrao; desviacion; 标准差"),
        ("minimum", "min; minimum; minimo"),
        ("maximum", "max; maximum; maximo"),
        ("median", "median; mediana"),
    )
    for phrase in phrases.split("; ")
}

_WORDS = re.compile(r"[a-z0-9']+(?:-[a-z0-9]+)*|[\u2e80-\u9fff]+")
_AT = re.compile(
    r"\b(epoch|fold|seed|split|year|week|month|window|epoca|ano)\s*[:#=]?\s*(\d{1,4})\b|\b((?:19"
    r"|20)\d\d(?:[ -]?q[1-4])?)\b"
)


@dataclass(frozen=True)
class Role:
    """What a label says.

    Parameters
    ----------
    metrics : the metrics it names, in order.
    split : ``train``, ``validation``, ``test``, ``walk-forward`` or ``""``.
    labels : classes or sides it names, as written.
    earlier : the word by which it speaks of a baseline or an earlier stage, or ``""``.
    goal : it speaks of a target or threshold, not a result.
    setting : it names a hyperparameter or a setting.
    statistic : ``mean``, ``std``, ``minimum``, ``maximum``, ``median`` or ``""``.
    at : epoch, fold or period.
    entity : the words that none of this explains: a model, a configuration, an asset; ``""`` when there are none.

    """

    metrics: tuple[Mention, ...] = ()
    split: str = ""
    labels: tuple[str, ...] = ()
    earlier: str = ""
    goal: bool = False
    setting: bool = False
    statistic: str = ""
    at: str = ""
    entity: str = ""

    @property
    def metric(self) -> str:
        """The first metric named, or ``""``."""
        return self.metrics[0].metric if self.metrics else ""


def _has(padded: str, phrase: str) -> bool:
    return (phrase in padded) if phrase and ord(phrase[0]) > 0x2E80 else f" {phrase} " in padded


def _neutral_cjk(word: str) -> bool:
    """Whether a Chinese compound is made of words that tell no runs apart."""
    if ord(word[0]) < 0x2E80:
        return False
    for part in _CJK_NEUTRAL:
        word = word.replace(part, "")
    return not word


@lru_cache(maxsize=20_000)
def read_role(text: str) -> Role:
    """Read a heading, label or header.

    Examples
    --------
    >>> role = read_role("Validation Accuracy")
    >>> role.metric, role.split, role.entity
    ('accuracy', 'validation', '')
    >>> read_role("Config 3 (Wider) - Winner!").entity
    'wider winner config 3'

    """
    text = text[:300]
    folded = plain(text)
    named = tuple(mentions(folded))
    words = _WORDS.findall(re.sub(r"[^\w\s'\u2e80-\u9fff]", " ", folded))
    padded = " " + " ".join(words) + " "
    split = next((name for name, phrases in _SPLITS if any(_has(padded, phrase) for phrase in phrases)), "")
    if split == "validation" and "cross validation" in padded:
        split = "cross-validation"
    statistic = next((name for phrase, name in _STATISTICS.items() if _has(padded, phrase)), "")
    position = _AT.search(folded)
    at = ""
    if position:
        at = f"{position[1]} {position[2]}" if position[1] else position[3].strip()
    inside = [False] * len(folded)
    for mention in named:
        inside[mention.start : mention.end] = [True] * (mention.end - mention.start)
    outside = "".join(" " if hit else char for char, hit in zip(folded, inside, strict=True))
    shown = "".join(" " if hit else char for char, hit in zip(text, inside, strict=True))
    for idiom in _IDIOMS.finditer(folded):
        shown = shown[: idiom.start()] + " " * len(idiom[0]) + shown[idiom.end() :]
    labels = tuple(dict.fromkeys(word for word in re.findall(r"[^\W\d_]+", shown) if plain(word).strip() in _CLASSES))
    if _has(padded, "long short term") or _has(padded, "long short"):
        labels = ()
    taken = {word for _, phrases in _SPLITS for phrase in phrases for word in phrase.split()}
    rest = [
        word
        for word in _WORDS.findall(re.sub(r"[^\w\s'\u2e80-\u9fff]", " ", outside))
        if not _neutral_cjk(word)
        and word not in _NEUTRAL
        and not re.fullmatch(r"\d{1,2}(?:-\d{1,2})*", word)
        and word not in taken
        and word not in _CLASSES
        and word not in _GOALS
        and word not in _EARLIER
        and len(word) < 30
    ]
    if all(word.isdecimal() and len(word) < 3 for word in rest):
        rest = []
    rest += [f"{word} {number}" for word, number in _NUMBERED.findall(outside)]
    return Role(
        metrics=named,
        split=split,
        labels=labels,
        earlier=next((word for word in words if word in _EARLIER), ""),
        goal=any(word in _GOALS for word in words) and "current" not in words and "atual" not in words,
        setting=not named and is_setting(padded),
        statistic=statistic,
        at=at,
        entity=" ".join(rest),
    )


@lru_cache(maxsize=20_000)
def is_setting(folded: str) -> bool:
    """Whether a folded label names a hyperparameter or a setting of the experiment."""
    padded = " " + " ".join(_WORDS.findall(folded)) + " "
    return padded.strip() in _EXACT or any(_has(padded, phrase) for phrase in _SETTINGS)


_STATISTIC_METRIC = {
    "ic": {"mean": "ic", "std": "ic_std", "minimum": "ic_min", "maximum": "ic_max", "median": "ic_percentile"},
    "rank_ic": {
        "mean": "rank_ic",
        "std": "ic_std",
        "minimum": "ic_min",
        "maximum": "ic_max",
        "median": "ic_percentile",
    },
    "prediction": {"mean": "prediction_mean", "std": "prediction_std", "minimum": "prediction_min",
                   "maximum": "prediction_max"},
    "return": {"mean": "mean_return", "std": "return_std", "minimum": "minimum", "maximum": "maximum"},
    "range": {"minimum": "target_low", "maximum": "target_high"},
}  # fmt: skip


def statistic_of(topic: str, statistic: str) -> str:
    """The metric for a statistic of a topic (mean of the IC, std of the predictions), ``""`` where there is none."""
    return _STATISTIC_METRIC.get(topic, {}).get(statistic, "")
