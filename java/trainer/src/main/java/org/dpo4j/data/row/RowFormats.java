package org.dpo4j.data.row;

import static org.dpo4j.data.row.RowFormat.Kind.JUDGED;
import static org.dpo4j.data.row.RowFormat.Kind.PAIR;
import static org.dpo4j.data.row.RowFormat.Kind.SINGLE;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.dpo4j.data.row.RowFormat.Kind;
import org.dpo4j.data.source.BadRow;

/** All row formats. Finds the format of a row by its columns. Columns that no format reads are ignored and reported. */
public final class RowFormats {
    private static final List<String> LABELS = List.of("label", "kto_tag");

    public static final List<RowFormat> PAIRS = pairs();

    public static final List<RowFormat> SEQUENCES = List.of(
            new WholeFormat("text", false),
            ColumnFormat.single(PromptColumns.PROMPT, "completion"),
            new WholeFormat("messages", true),
            new WholeFormat("conversations", true),
            ColumnFormat.single(PromptColumns.INSTRUCTION, "output"),
            new IdFormat(SINGLE, List.of("ids"), List.of()),
            new IdFormat(SINGLE, List.of("prompt_ids", "completion_ids"), List.of()));

    public static final List<RowFormat> JUDGMENTS =
            LABELS.stream().flatMap(RowFormats::judgments).toList();

    public static final List<RowFormat> ALL =
            Stream.of(PAIRS, SEQUENCES, JUDGMENTS).flatMap(List::stream).toList();

    /** The formats of a kind that errors name; DATA.md lists all. */
    private static final Map<Kind, String> COMMON = new EnumMap<>(Map.of(
            PAIR, "[prompt, chosen, rejected] or [chosen, rejected] or [prompt_ids, chosen_ids, rejected_ids]",
            SINGLE, "[text] or [prompt, completion] or [messages] or [ids] or [prompt_ids, completion_ids]",
            JUDGED, "[prompt, completion, label] or [messages, label]"));

    /** Columns of what a text model cannot read. */
    private static final Set<String> MEDIA = Set.of("image", "images", "video", "videos", "audio", "audios");

    private RowFormats() {}

    private static List<RowFormat> pairs() {
        List<RowFormat> pairs = new ArrayList<>();
        for (PromptColumns prompt : List.of(
                PromptColumns.PROMPT,
                PromptColumns.NONE,
                PromptColumns.MESSAGES,
                PromptColumns.CONVERSATIONS,
                PromptColumns.INSTRUCTION)) {
            pairs.add(ColumnFormat.pair(prompt, "chosen", "rejected"));
        }
        pairs.add(ColumnFormat.pair(PromptColumns.INPUT, "preferred_output", "non_preferred_output"));
        for (PromptColumns prompt : List.of(
                PromptColumns.PROMPT, PromptColumns.MESSAGES, PromptColumns.CONVERSATIONS, PromptColumns.INSTRUCTION)) {
            pairs.add(ColumnFormat.ranked(prompt, Answers.scored(), "responses", "scores"));
            pairs.add(ColumnFormat.ranked(prompt, Answers.placed(), "responses", "ranking"));
            pairs.add(ColumnFormat.ranked(prompt, Answers.completions(), "completions"));
        }
        pairs.add(new IdFormat(PAIR, List.of("prompt_ids", "chosen_ids", "rejected_ids"), List.of()));
        return List.copyOf(pairs);
    }

    private static Stream<RowFormat> judgments(String label) {
        return Stream.of(
                ColumnFormat.judged(PromptColumns.PROMPT, "completion", label),
                new JudgedMessages("messages", label),
                new JudgedMessages("conversations", label),
                ColumnFormat.judged(PromptColumns.INSTRUCTION, "output", label),
                new IdFormat(JUDGED, List.of("prompt_ids", "completion_ids"), List.of(label)));
    }

    /** The names of all columns that some format reads. */
    static Set<String> columns() {
        Set<String> columns = new TreeSet<>(MEDIA);
        ALL.forEach(format -> columns.addAll(format.columns()));
        return columns;
    }

    /**
     * The format of a row: the one whose required columns it has. A null value counts as absent, because joined tables
     * write null for columns that a row lacks. A format is left out if the columns of another one include its own, and
     * one column with a whole sequence if the row is also a pair or a judged completion and those are wanted. Throws if
     * several formats remain among those of the kinds {@code wanted}, or none.
     */
    public static RowFormat find(ObjectNode row, Set<Kind> wanted) throws BadRow {
        Set<String> present = new LinkedHashSet<>();
        for (Map.Entry<String, JsonNode> column : row.properties()) {
            if (!column.getValue().isNull()) {
                present.add(column.getKey());
            }
        }
        List<RowFormat> readable = ALL.stream()
                .filter(format -> present.containsAll(format.required()) && format.isReadable(row))
                .toList();
        List<RowFormat> found = readable.stream()
                .filter(format -> readable.stream().noneMatch(other -> includes(other, format)))
                .toList();
        List<RowFormat> usable = withoutRepeats(
                found.stream().filter(format -> wanted.contains(format.kind())).toList());
        if (usable.size() > 1) {
            throw new BadRow(
                    BadRow.Reason.AMBIGUOUS,
                    "it can be read as "
                            + usable.stream().map(Object::toString).collect(Collectors.joining(" or as "))
                            + "; leave out the columns of the others with column_map");
        }
        if (usable.isEmpty()) {
            throw found.isEmpty() ? unknown(row, present, wanted) : unwanted(found.get(0), wanted);
        }
        refuseMedia(row, present);
        return usable.get(0).variant(row);
    }

    /** Leaves out whole sequences that repeat the prompt and an answer of a pair or of a judged completion. */
    private static List<RowFormat> withoutRepeats(List<RowFormat> formats) {
        boolean isSingle = formats.stream().allMatch(format -> format.kind() == SINGLE);
        return formats.stream().filter(format -> isSingle || !format.isWhole()).toList();
    }

    private static boolean includes(RowFormat larger, RowFormat smaller) {
        return larger.required().size() > smaller.required().size()
                && Set.copyOf(larger.required()).containsAll(smaller.required());
    }

    private static void refuseMedia(ObjectNode row, Set<String> present) throws BadRow {
        for (String column : present) {
            boolean isEmpty = row.get(column).isArray() && row.get(column).isEmpty();
            if (MEDIA.contains(column) && !isEmpty) {
                throw new BadRow(
                        BadRow.Reason.NOT_TEXT,
                        "it has " + column + ", and the model reads only text; leave the row out, or the column with"
                                + " column_map");
            }
        }
    }

    private static BadRow unknown(ObjectNode row, Set<String> present, Set<Kind> wanted) {
        Set<String> known = new LinkedHashSet<>();
        ALL.forEach(format -> known.addAll(format.required()));
        List<String> nulls = new ArrayList<>();
        row.properties().forEach(column -> {
            if (column.getValue().isNull() && known.contains(column.getKey())) {
                nulls.add(column.getKey());
            }
        });
        List<String> all = new ArrayList<>();
        row.fieldNames().forEachRemaining(all::add);
        present.retainAll(known);
        return new BadRow(
                BadRow.Reason.UNKNOWN_FORMAT,
                (present.isEmpty() ? "its keys are " + all : "its keys " + present + " match no format")
                        + (nulls.isEmpty() ? "" : " (null, so ignored: " + String.join(", ", nulls) + ")") + "; give "
                        + names(wanted) + ", or rename columns with column_map");
    }

    private static BadRow unwanted(RowFormat found, Set<Kind> wanted) {
        return new BadRow(
                BadRow.Reason.UNKNOWN_FORMAT, "it has " + found + ", " + found.kind() + "; give " + names(wanted));
    }

    /** Throws if a row is of a kind that is not wanted. */
    public static void checkWanted(RowFormat found, Set<Kind> wanted) throws BadRow {
        if (!wanted.contains(found.kind())) {
            throw unwanted(found, wanted);
        }
    }

    /** The most common formats of these kinds. */
    private static String names(Set<Kind> wanted) {
        return COMMON.entrySet().stream()
                .filter(entry -> wanted.contains(entry.getKey()))
                .map(Map.Entry::getValue)
                .collect(Collectors.joining(" or "));
    }
}
