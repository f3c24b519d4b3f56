"""Writes event_files.json: the bytes of event files that TensorBoard's own library writes for a short run, and what it reads from them.

TensorBoardWriterTest compares the files of dpo4j with these bytes. The second file is of a run that goes on from the checkpoint of step 2: its
reader drops the values of step 3 of the first file. To read a directory that dpo4j wrote: python event_files.py DIRECTORY.
"""

import json
import os
import shutil
import sys
import tempfile

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.compat.proto.tensor_shape_pb2 import TensorShapeProto
from tensorboard.plugins.hparams.api_pb2 import Status
from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo, SessionStartInfo
from tensorboard.summary.writer.record_writer import RecordWriter

HERE = os.path.dirname(os.path.abspath(__file__))
TIME = 1764432000.25  # of every event
OPTIONS = {"model_name_or_path": "models/Qwen", "learning_rate": "1.0E-6", "seed": "42", "bf16": "false", "loss_type": "sigmoid,sft", "zero": "0"}
FIRST = [
    (1, {"loss": 0.6931471805599453, "rewards/margins": 0.0, "learning_rate": 1e-6}),
    (2, {"loss": 0.5, "rewards/margins": -0.25, "grad_norm": float("nan")}),
    (2, {"eval_loss": 0.625, "eval_rewards/accuracies": 1.0}),
    (3, {"loss": 0.4375, "num_tokens": 90030.0}),
]
SECOND = [(3, {"loss": 0.375}), (300, {"loss": 0.25, "epoch": 1.0})]


def text(tag, value):
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="text"))
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=1)])
    tensor = TensorProto(dtype="DT_STRING", string_val=[value.encode()], tensor_shape=shape)
    return Summary(value=[Summary.Value(tag=tag + "/text_summary", metadata=metadata, tensor=tensor)])


def hparams(tag, content):
    data = SummaryMetadata.PluginData(plugin_name="hparams", content=content.SerializeToString(deterministic=True))
    return Summary(value=[Summary.Value(tag=tag, metadata=SummaryMetadata(plugin_data=data))])


def session_start():
    start = SessionStartInfo(start_time_secs=TIME)
    for name, value in OPTIONS.items():
        if value in ("true", "false"):
            start.hparams[name].bool_value = value == "true"
        else:
            try:
                start.hparams[name].number_value = float(value)
            except ValueError:
                start.hparams[name].string_value = value
    return hparams("_hparams_/session_start_info", HParamsPluginData(session_start_info=start))


def session_end(status):
    end = SessionEndInfo(status=Status.Value(status), end_time_secs=TIME)
    return hparams("_hparams_/session_end_info", HParamsPluginData(session_end_info=end))


def events(lines, resumed, status):
    yield Event(file_version="brain.Event:2")
    if resumed:
        yield Event(step=resumed + 1, session_log=SessionLog(status=SessionLog.START))
    yield Event(summary=text("args", json.dumps(OPTIONS, indent=2)))
    yield Event(summary=session_start())
    for step, values in lines:
        for name, value in values.items():
            tag = "eval/" + name[len("eval_") :] if name.startswith("eval_") else "train/" + name
            yield Event(step=step, summary=Summary(value=[Summary.Value(tag=tag, simple_value=value)]))
    yield Event(step=lines[-1][0], summary=text("diagnoses", "the loss falls"))
    yield Event(summary=session_end(status))


def write(file, all_events):
    with open(file, "wb") as out:
        writer = RecordWriter(out)
        for event in all_events:
            event.wall_time = TIME
            writer.write(event.SerializeToString(deterministic=True))


def read(directory):
    accumulator = EventAccumulator(directory)
    accumulator.Reload()
    tags = accumulator.Tags()
    scalars = {tag: [[event.step, event.value] for event in accumulator.Scalars(tag)] for tag in sorted(tags["scalars"])}
    texts = {tag: [event.tensor_proto.string_val[0].decode() for event in accumulator.Tensors(tag)] for tag in sorted(tags["tensors"])
             if tag.endswith("text_summary")}
    return {"scalars": scalars, "texts": texts}


def main():
    directory = tempfile.mkdtemp()
    names = ["events.out.tfevents.1.a", "events.out.tfevents.2.a"]
    write(os.path.join(directory, names[0]), events(FIRST, 0, "STATUS_FAILURE"))
    alone = read(directory)
    write(os.path.join(directory, names[1]), events(SECOND, 2, "STATUS_SUCCESS"))
    both = read(directory)
    files = [open(os.path.join(directory, name), "rb").read().hex() for name in names]
    shutil.rmtree(directory)
    assert [step for step, _ in both["scalars"]["train/loss"]] == [1, 2, 3, 300]
    result = {"time": TIME, "options": OPTIONS, "lines": [FIRST, SECOND], "files": files, "first": alone["scalars"], "both": both["scalars"]}
    with open(os.path.join(HERE, "event_files.json"), "w") as out:
        out.write(json.dumps(result).replace("NaN", "null") + "\n")


if len(sys.argv) > 1:
    print(json.dumps(read(sys.argv[1]), indent=1))
else:
    main()
