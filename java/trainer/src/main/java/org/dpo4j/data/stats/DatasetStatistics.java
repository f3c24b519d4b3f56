package org.dpo4j.data.stats;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.EnumMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import org.dpo4j.data.row.Content;
import org.dpo4j.data.row.Encoder;
import org.dpo4j.data.row.Example;
import org.dpo4j.data.row.RowFormat.Kind;
import org.dpo4j.data.source.BadRow;
import org.jspecify.annotations.Nullable;

/** What the rows of a data set look like. Lengths are numbers of tokens, or of characters without a tokenizer. */
public final class DatasetStatistics implements ReadRow.Receiver {
    private static final int[] LIMITS = {256, 512, 1024, 2048, 4096, 8192};
    private static final int MAX_PLACES = 5;
    private static final String SEVERAL_SHAPES =
            "training takes one: it refuses a row whose columns differ from those of the first usable row, or\nleaves it out"
                    + " with on_bad_row skip; --convert SHAPE --output FILE writes rows of one kind in one shape";

    private final @Nullable Encoder encoder;
    private final int vocabularySize;
    private final Map<Kind, Integer> kinds = new EnumMap<>(Kind.class);
    private final Map<String, Integer> formats = new TreeMap<>();
    private final Map<BadRow.Reason, List<String>> bad = new EnumMap<>(BadRow.Reason.class);
    private final Map<BadRow.Reason, String> firstBad = new EnumMap<>(BadRow.Reason.class);
    private final Map<BadRow.Reason, Integer> badCounts = new EnumMap<>(BadRow.Reason.class);
    private final Map<String, Lengths> lengths = new LinkedHashMap<>();
    private final Lengths total = new Lengths();
    private final RowHash.Seen seen = new RowHash.Seen();
    private final BitSet tokens = new BitSet();
    private int repeated;
    private int identical;
    private int good;
    private int longerChosen;
    private int shorterChosen;

    /** {@code encoder} makes tokens; null to count characters. */
    public DatasetStatistics(@Nullable Encoder encoder, int vocabularySize) {
        this.encoder = encoder;
        this.vocabularySize = vocabularySize;
    }

    @Override
    public Runnable row(ReadRow row) throws BadRow {
        List<int[]> measured = new ArrayList<>();
        BitSet found = new BitSet();
        for (Example example : row.examples()) {
            measured.add(measure(example.content(), found));
        }
        return () -> {
            tokens.or(found);
            kinds.merge(row.format().kind(), 1, Integer::sum);
            formats.merge(row.format().toString(), 1, Integer::sum);
            repeated += seen.add(row) ? 1 : 0;
            for (int i = 0; i < measured.size(); i++) {
                add(row.examples().get(i), measured.get(i));
            }
        };
    }

    @Override
    public void bad(String place, BadRow row) {
        badCounts.merge(row.reason(), 1, Integer::sum);
        firstBad.putIfAbsent(row.reason(), String.valueOf(row.getMessage()));
        List<String> places = bad.computeIfAbsent(row.reason(), reason -> new ArrayList<>());
        if (places.size() < MAX_PLACES) {
            places.add(place);
        }
    }

    /** The lengths of the prompt and of each completion. Adds the tokens to {@code found}. */
    private int[] measure(Content content, BitSet found) throws BadRow {
        if (encoder == null) {
            return Characters.measure(content);
        }
        Encoder.Joint joint = encoder.encode(content);
        int[] measured = new int[1 + joint.completions().length];
        measured[0] = joint.prompt().length;
        Arrays.stream(joint.prompt()).forEach(found::set);
        for (int i = 1; i < measured.length; i++) {
            int[] completion = joint.completions()[i - 1];
            Encoder.checkNotEmpty(joint.prompt(), completion, Content.completionName(i - 1, measured.length - 1));
            measured[i] = completion.length;
            Arrays.stream(completion).forEach(found::set);
        }
        return measured;
    }

    private void add(Example example, int[] measured) {
        int longest = 0;
        for (int i = 0; i < measured.length; i++) {
            String name = i == 0 ? "prompt" : Content.completionName(i - 1, measured.length - 1);
            lengths.computeIfAbsent(name, key -> new Lengths()).add(measured[i]);
            longest = i == 0 ? 0 : Math.max(longest, measured[i]);
        }
        total.add(measured[0] + longest);
        if (measured.length == 3) {
            longerChosen += measured[1] > measured[2] ? 1 : 0;
            shorterChosen += measured[1] < measured[2] ? 1 : 0;
            identical += RowHash.isIdentical(example.content()) ? 1 : 0;
        }
        good += example instanceof Example.Judged judged && judged.label() ? 1 : 0;
    }

    /** The kind that has more usable rows than any other; null if no row can be used. */
    public @Nullable Kind kind() {
        return kinds.entrySet().stream()
                .max(Map.Entry.comparingByValue())
                .map(Map.Entry::getKey)
                .orElse(null);
    }

    /** Tokens or characters. */
    public String unit() {
        return encoder == null ? "characters" : "tokens";
    }

    /** Lengths of the parts of rows by name, with {@code total}: prompt and longest completion. */
    public Map<String, Lengths> lengths() {
        Map<String, Lengths> all = new LinkedHashMap<>(lengths);
        all.put("total", total);
        return all;
    }

    /** Lengths of prompt and longest completion together. */
    public Lengths total() {
        return total;
    }

    /** What is not about lengths, one line each, by name. */
    public Map<String, String> facts() {
        Map<String, String> facts = new LinkedHashMap<>();
        kinds.forEach((kind, count) -> facts.put("rows of " + kind, count(count)));
        formats.forEach((format, count) -> facts.put("columns " + format, count(count)));
        if (formats.size() > 1) {
            facts.put("several shapes", SEVERAL_SHAPES);
        }
        badCounts.forEach((reason, count) -> facts.put(
                "unusable: " + reason,
                count(count) + ": " + String.join(", ", names(bad.getOrDefault(reason, List.of())))
                        + (count > MAX_PLACES ? ", ..." : "")
                        + (count > 1 ? "\nthe first: " : "\n")
                        + firstBad.get(reason)));
        facts.put("same as an earlier row", count(repeated));
        if (kinds.containsKey(Kind.PAIR)) {
            facts.put("chosen is rejected", count(identical));
        }
        if (kinds.containsKey(Kind.JUDGED)) {
            facts.put("judged good", share(good, kinds.getOrDefault(Kind.JUDGED, 0)));
        }
        Lengths prompt = lengths.get("prompt");
        Lengths chosen = lengths.get("chosen");
        Lengths rejected = lengths.get("rejected");
        if (prompt != null) {
            long all = lengths.values().stream().mapToLong(Lengths::sum).sum();
            facts.put("share of prompts", percent(prompt.sum(), all) + " of all " + unit() + "; a prompt counts once");
        }
        if (chosen != null && rejected != null) {
            facts.put(
                    "length bias",
                    String.format(
                            Locale.ROOT,
                            "chosen is longer in %s of the pairs, shorter in %s; on average by %+.1f %s",
                            percent(longerChosen, chosen.count()),
                            percent(shorterChosen, chosen.count()),
                            chosen.mean() - rejected.mean(),
                            unit()));
        }
        if (encoder != null) {
            facts.put("vocabulary", share(tokens.cardinality(), vocabularySize) + " tokens occur");
            facts.put("longer than max_length", String.join("; ", limits()));
        }
        return facts;
    }

    private List<String> limits() {
        List<String> limits = new ArrayList<>();
        for (int limit : LIMITS) {
            limits.add(limit + ": " + percent(total.above(limit), total.count()));
            if (total.above(limit) == 0) {
                break;
            }
        }
        return limits;
    }

    private static List<String> names(List<String> places) {
        return places.stream()
                .map(place -> place.substring(place.lastIndexOf('/') + 1))
                .toList();
    }

    private static String count(int count) {
        return String.format(Locale.ROOT, "%,d", count);
    }

    private static String share(long part, long whole) {
        return String.format(Locale.ROOT, "%,d of %,d (%s)", part, whole, percent(part, whole));
    }

    private static String percent(long part, long whole) {
        return String.format(Locale.ROOT, "%.1f%%", whole == 0 ? 0 : 100.0 * part / whole);
    }
}
