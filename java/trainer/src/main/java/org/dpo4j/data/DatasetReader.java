package org.dpo4j.data;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.dpo4j.data.Encoder.Joint;
import org.dpo4j.kernels.Dpo4jException;
import org.jspecify.annotations.Nullable;

/** One reading of one file. */
final class DatasetReader {

    /** Ends the prompt of Anthropic's transcripts. */
    private static final String ASSISTANT = "\n\nAssistant:";

    private interface RowReader<T> {
        T read(int number, ObjectNode row, RowFormat format) throws BadRow;
    }

    private final Path file;
    private final ReadOptions options;
    private final Encoder encoder;
    private final Map<BadRow.Reason, Integer> skipped = new EnumMap<>(BadRow.Reason.class);
    private @Nullable RowFormat format;
    private int truncated;
    private int backedOff;

    DatasetReader(Path file, ReadOptions options) {
        this.file = file;
        this.options = options;
        this.encoder = new Encoder(options);
    }

    Dataset<PreferencePair> pairs() {
        return read(true, this::pair);
    }

    Dataset<Sequence> sequences() {
        return read(false, this::sequence);
    }

    static boolean holdsPairs(Path file) {
        try (Rows rows = Rows.open(file)) {
            Rows.Row first = firstRow(rows);
            return first != null
                    && (first.values().has("chosen") || first.values().has("chosen_ids"));
        }
    }

    private static Rows.@Nullable Row firstRow(Rows rows) {
        while (true) {
            try {
                return rows.next();
            } catch (BadRow bad) {
                // what is bad about it is told when the rows are read
            }
        }
    }

    private <T> Dataset<T> read(boolean pairs, RowReader<T> reader) {
        List<T> used = new ArrayList<>();
        try (Rows rows = Rows.open(file)) {
            for (boolean more = true; more; ) {
                try {
                    Rows.Row row = rows.next();
                    more = row != null;
                    if (row != null) {
                        used.add(reader.read(row.number(), row.values(), format(row.values(), pairs)));
                    }
                } catch (BadRow bad) {
                    skip(rows.place(rows.number()), bad);
                }
            }
        }
        DatasetReport report = new DatasetReport(used.size(), reasons(), truncated, backedOff);
        if (used.isEmpty()) {
            throw new Dpo4jException(file + " has no row that can be used" + (skipped.isEmpty() ? "" : ": " + report));
        }
        return new Dataset<>(List.copyOf(used), report);
    }

    private void skip(String place, BadRow bad) {
        if (options.onBadRow() == OnBadRow.STOP) {
            throw new Dpo4jException(place + ": " + bad.getMessage(), bad);
        }
        skipped.merge(bad.reason(), 1, Integer::sum);
    }

    private Map<String, Integer> reasons() {
        Map<String, Integer> reasons = new LinkedHashMap<>();
        skipped.forEach((reason, count) -> reasons.put(reason.toString(), count));
        return Collections.unmodifiableMap(reasons);
    }

    /** The format of this row, which must be that of the first. */
    private RowFormat format(ObjectNode row, boolean pairs) throws BadRow {
        RowFormat found = RowFormat.of(row, pairs);
        if (format == null) {
            format = found;
        }
        if (found != format) {
            throw new BadRow(
                    BadRow.Reason.MIXED_FORMAT,
                    "it has " + found + " but the first row has " + format + "; give one format a file");
        }
        return found;
    }

    private PreferencePair pair(int number, ObjectNode row, RowFormat rowFormat) throws BadRow {
        int[] prompt;
        int[] chosen;
        int[] rejected;
        boolean moved = false;
        if (rowFormat.isIds()) {
            prompt = encoder.ids(row, "prompt_ids");
            chosen = encoder.ids(row, "chosen_ids");
            rejected = encoder.ids(row, "rejected_ids");
        } else {
            Joint joint = rowFormat == RowFormat.TRANSCRIPT_PAIR ? transcripts(row) : promptPair(row);
            prompt = joint.prompt();
            chosen = joint.completions()[0];
            rejected = joint.completions()[1];
            moved = joint.backedOff();
        }
        Encoder.checkNotEmpty(prompt, chosen, "chosen");
        Encoder.checkNotEmpty(prompt, rejected, "rejected");
        checkDifferent(chosen, rejected, "");
        int[] cutChosen = encoder.fit(prompt, chosen, "chosen");
        int[] cutRejected = encoder.fit(prompt, rejected, "rejected");
        checkDifferent(cutChosen, cutRejected, " once cut to max_length " + options.maxLength());
        count(moved, cutChosen.length < chosen.length || cutRejected.length < rejected.length);
        return new PreferencePair(number, prompt, cutChosen, cutRejected);
    }

    private Joint promptPair(ObjectNode row) throws BadRow {
        return encoder.joint(Encoder.text(row, "prompt"), Encoder.text(row, "chosen"), Encoder.text(row, "rejected"));
    }

    /**
     * The chosen side up to its last {@code "\n\nAssistant:"} is the prompt, and the rejected side must begin with it.
     */
    private Joint transcripts(ObjectNode row) throws BadRow {
        String chosen = Encoder.text(row, "chosen");
        String rejected = Encoder.text(row, "rejected");
        int turn = chosen.lastIndexOf(ASSISTANT);
        if (turn < 0) {
            throw new BadRow(
                    BadRow.Reason.NO_SHARED_PROMPT,
                    "there is no prompt, and chosen is no transcript with \"\\n\\nAssistant:\"; add a prompt");
        }
        String prompt = chosen.substring(0, turn + ASSISTANT.length());
        if (!rejected.startsWith(prompt)) {
            throw new BadRow(
                    BadRow.Reason.NO_SHARED_PROMPT,
                    "chosen and rejected differ before the last \"\\n"
                            + "\\n"
                            + "Assistant:\" of chosen; only the last answer may differ");
        }
        return encoder.joint(prompt, chosen.substring(prompt.length()), rejected.substring(prompt.length()));
    }

    private Sequence sequence(int number, ObjectNode row, RowFormat rowFormat) throws BadRow {
        int[] prompt;
        int[] completion;
        boolean moved = false;
        switch (rowFormat) {
            case ID_COMPLETION -> {
                prompt = encoder.ids(row, "prompt_ids");
                completion = encoder.ids(row, "completion_ids");
            }
            case PROMPT_COMPLETION -> {
                Joint joint = encoder.joint(Encoder.text(row, "prompt"), Encoder.text(row, "completion"));
                prompt = joint.prompt();
                completion = joint.completions()[0];
                moved = joint.backedOff();
            }
            default -> {
                int[] ids = rowFormat.isIds() ? encoder.ids(row, "ids") : wholeText(row);
                if (ids.length < 2) {
                    throw new BadRow(
                            BadRow.Reason.EMPTY_COMPLETION,
                            rowFormat + " has " + ids.length + " tokens; the second is the first to learn");
                }
                encoder.checkLength(rowFormat.isIds() ? "ids" : "text", ids);
                prompt = Arrays.copyOf(ids, 1);
                completion = Arrays.copyOfRange(ids, 1, ids.length);
            }
        }
        Encoder.checkNotEmpty(prompt, completion, "completion");
        int[] cut = encoder.fit(prompt, completion, "completion");
        count(moved, cut.length < completion.length);
        return new Sequence(number, prompt, cut);
    }

    private int[] wholeText(ObjectNode row) throws BadRow {
        String text = Encoder.text(row, "text");
        if (text.isEmpty()) {
            throw new BadRow(BadRow.Reason.EMPTY_COMPLETION, "text is empty");
        }
        return encoder.whole(text);
    }

    private static void checkDifferent(int[] chosen, int[] rejected, String when) throws BadRow {
        if (Arrays.equals(chosen, rejected)) {
            throw new BadRow(
                    BadRow.Reason.IDENTICAL_SIDES,
                    "chosen and rejected are the same" + when + "; there is nothing to prefer");
        }
    }

    private void count(boolean moved, boolean cut) {
        backedOff += moved ? 1 : 0;
        truncated += cut ? 1 : 0;
    }
}
