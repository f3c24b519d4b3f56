package org.dpo4j.report.tensorboard;

import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** Messages {@code Summary} of tensorboard/compat/proto/summary.proto, as PyTorch's SummaryWriter makes them. */
final class Summaries {
    private static final int VALUE = 1;

    // Summary.Value
    private static final int TAG = 1;
    private static final int SIMPLE_VALUE = 2;
    private static final int TENSOR = 8;
    private static final int METADATA = 9;

    private static final int DT_STRING = 7;

    private Summaries() {}

    /** A scalar. Readers take NaN and infinity too. */
    static ProtoMessage scalar(String tag, double value) {
        return summary(new ProtoMessage().text(TAG, tag).float32(SIMPLE_VALUE, (float) value));
    }

    /** A text, which TensorBoard renders as Markdown. */
    static ProtoMessage text(String tag, String text) {
        ProtoMessage shape = new ProtoMessage().message(2, new ProtoMessage().number(1, 1));
        ProtoMessage tensor =
                new ProtoMessage().number(1, DT_STRING).message(2, shape).text(8, text);
        return summary(new ProtoMessage()
                .text(TAG, tag + "/text_summary")
                .message(TENSOR, tensor)
                .message(METADATA, metadata("text", new ProtoMessage())));
    }

    /** The options of the session, for the tab of hyperparameters. Numbers are numbers, true and false booleans. */
    static ProtoMessage sessionStart(Map<String, String> options, double time) {
        ProtoMessage start = new ProtoMessage();
        SortedMap<String, String> sorted = new TreeMap<>(options);
        sorted.forEach((name, value) ->
                start.message(1, new ProtoMessage().text(1, name).message(2, value(value))));
        start.float64(5, time);
        return summary(new ProtoMessage()
                .text(TAG, "_hparams_/session_start_info")
                .message(METADATA, metadata("hparams", new ProtoMessage().message(3, start))));
    }

    /** Ends the session: completed, or not. */
    static ProtoMessage sessionEnd(boolean isCompleted, double time) {
        ProtoMessage end = new ProtoMessage().number(1, isCompleted ? 1 : 2).float64(2, time);
        return summary(new ProtoMessage()
                .text(TAG, "_hparams_/session_end_info")
                .message(METADATA, metadata("hparams", new ProtoMessage().message(4, end))));
    }

    private static ProtoMessage summary(ProtoMessage value) {
        return new ProtoMessage().message(VALUE, value);
    }

    private static ProtoMessage metadata(String plugin, ProtoMessage content) {
        ProtoMessage data = new ProtoMessage().text(1, plugin);
        return new ProtoMessage().message(1, content.bytes().length == 0 ? data : data.message(2, content));
    }

    /** A google.protobuf.Value. */
    private static ProtoMessage value(String text) {
        if (text.equals("true") || text.equals("false")) {
            return new ProtoMessage().number(4, text.equals("true") ? 1 : 0);
        }
        return text.matches("[-+]?[0-9]+(\\.[0-9]*)?([eE][-+]?[0-9]+)?")
                ? new ProtoMessage().float64(2, Double.parseDouble(text))
                : new ProtoMessage().text(3, text);
    }
}
