r"""Autoregressive models: p(x) = \prod_i p(x_i | the variables before i in an order).

The families differ only in how they turn the earlier values into the parameters of the next
conditional: a table of counts, a linear map, one network per variable, or one network for all.
"""

from course_utils.models.autoregressive.arp import ARProcess
from course_utils.models.autoregressive.base import AutoregressiveModel
from course_utils.models.autoregressive.ensemble import Ensemble
from course_utils.models.autoregressive.fvsbn import FVSBN
from course_utils.models.autoregressive.gpt import GPT, KeyValueCache
from course_utils.models.autoregressive.image_gpt import ImageGPT
from course_utils.models.autoregressive.made import MADE
from course_utils.models.autoregressive.nade import NADE
from course_utils.models.autoregressive.neural_lm import NeuralLM
from course_utils.models.autoregressive.ngram import NGram
from course_utils.models.autoregressive.pixelcnn import GatedPixelCNN, PixelCNN
from course_utils.models.autoregressive.pixelcnnpp import PixelCNNPP
from course_utils.models.autoregressive.pixelrnn import PixelRNN
from course_utils.models.autoregressive.rnn_lm import RecurrentLM
from course_utils.models.autoregressive.wavenet import WaveNet
from course_utils.models.autoregressive.window import WindowModel

__all__ = [
    "FVSBN",
    "GPT",
    "MADE",
    "NADE",
    "ARProcess",
    "AutoregressiveModel",
    "Ensemble",
    "GatedPixelCNN",
    "ImageGPT",
    "KeyValueCache",
    "NGram",
    "NeuralLM",
    "PixelCNN",
    "PixelCNNPP",
    "PixelRNN",
    "RecurrentLM",
    "WaveNet",
    "WindowModel",
]
