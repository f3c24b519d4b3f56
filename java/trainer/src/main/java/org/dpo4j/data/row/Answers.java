package org.dpo4j.data.row;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntToDoubleFunction;
import org.dpo4j.data.source.BadRow;

/** How the completions of a row are read from its columns. */
interface Answers {

    /**
     * The completions of one example, each text or messages.
     *
     * @param share the example's share of the weight of its row
     */
    record Choice(List<JsonNode> completions, float share) {}

    /** At least one choice. */
    List<Choice> read(ObjectNode row) throws BadRow;

    /** One completion in one column. */
    static Answers one(String column) {
        return row -> List.of(new Choice(List.of(Parts.read(row, column)), 1));
    }

    /** A chosen answer in one column, and in the other a rejected one or a list of several rejected ones. */
    static Answers pair(String chosen, String rejected) {
        return row -> {
            JsonNode better = Parts.read(row, chosen);
            List<JsonNode> worse =
                    several(row.path(rejected)) ? parts(row, rejected) : List.of(Parts.read(row, rejected));
            List<Choice> choices = new ArrayList<>();
            for (JsonNode each : worse) {
                choices.add(new Choice(List.of(better, each), 1f / worse.size()));
            }
            return choices;
        };
    }

    /** As {@link #pair}, with OpenAI's calls of functions. */
    static Answers openAi() {
        return row -> {
            List<JsonNode> completions = new ArrayList<>();
            for (String column : List.of("preferred_output", "non_preferred_output")) {
                completions.add(ToolCalls.withParsedArguments(Messages.read(row.path(column), column)));
            }
            return List.of(new Choice(completions, 1));
        };
    }

    /** Several answers, and a list with the score of each: higher is better. */
    static Answers scored() {
        return row -> {
            List<JsonNode> responses = parts(row, "responses");
            return ranked(responses, numbers(row, "scores", responses.size()));
        };
    }

    /** Several answers, and a list with the place of each: 1 is the best. */
    static Answers placed() {
        return row -> {
            List<JsonNode> responses = parts(row, "responses");
            double[] places = numbers(row, "ranking", responses.size());
            for (double place : places) {
                if (place < 1) {
                    throw bad("ranking has the place " + place + "; give the place of each response, 1 for the best");
                }
            }
            return ranked(responses, i -> -places[i]);
        };
    }

    /** UltraFeedback's answers: a list of objects with {@code response}, and {@code overall_score} or {@code score}. */
    static Answers completions() {
        return row -> {
            JsonNode completions = row.path("completions");
            List<JsonNode> responses = new ArrayList<>();
            double[] scores = new double[completions.size()];
            for (int i = 0; i < completions.size(); i++) {
                String name = "completions[" + i + "]";
                JsonNode completion = completions.get(i);
                boolean hasOverall = completion.hasNonNull("overall_score");
                if (hasOverall && completion.hasNonNull("score")) {
                    throw new BadRow(
                            BadRow.Reason.AMBIGUOUS,
                            name + " can be ranked by overall_score or by score; leave out one of them");
                }
                String key = hasOverall ? "overall_score" : "score";
                responses.add(Parts.read(completion.path("response"), name + ".response"));
                scores[i] = Values.number(completion.path(key), name + "." + key);
            }
            return ranked(responses, i -> scores[i]);
        };
    }

    private static List<Choice> ranked(List<JsonNode> responses, double[] scores) throws BadRow {
        return ranked(responses, i -> scores[i]);
    }

    /** All pairs of a better and a worse answer. Answers with the same score make no pair. */
    private static List<Choice> ranked(List<JsonNode> responses, IntToDoubleFunction score) throws BadRow {
        List<List<JsonNode>> pairs = new ArrayList<>();
        for (int better = 0; better < responses.size(); better++) {
            for (int worse = 0; worse < responses.size(); worse++) {
                if (score.applyAsDouble(better) > score.applyAsDouble(worse)) {
                    pairs.add(List.of(responses.get(better), responses.get(worse)));
                }
            }
        }
        if (pairs.isEmpty()) {
            throw BadRow.leftOut(
                    BadRow.Reason.NO_PREFERENCE,
                    "none of its " + responses.size() + " answers is better than another; there is nothing to prefer");
        }
        return pairs.stream().map(pair -> new Choice(pair, 1f / pairs.size())).toList();
    }

    /** Whether a value is a list of answers, rather than one answer. */
    private static boolean several(JsonNode value) {
        JsonNode first = value.path(0);
        return first.isTextual() || first.isArray();
    }

    private static List<JsonNode> parts(ObjectNode row, String column) throws BadRow {
        JsonNode list = row.path(column);
        if (!list.isArray() || list.isEmpty()) {
            throw bad(column + " is " + (list.isArray() ? "an empty list" : Values.describe(list))
                    + "; give a list of answers");
        }
        List<JsonNode> parts = new ArrayList<>();
        for (int i = 0; i < list.size(); i++) {
            parts.add(Parts.read(list.get(i), column + "[" + i + "]"));
        }
        return parts;
    }

    private static double[] numbers(ObjectNode row, String column, int count) throws BadRow {
        JsonNode list = row.path(column);
        if (!list.isArray() || list.size() != count) {
            throw bad(column + " is " + (list.isArray() ? "a list of " + list.size() : Values.describe(list))
                    + "; give a list of " + count + " numbers, one for each response");
        }
        double[] numbers = new double[count];
        for (int i = 0; i < count; i++) {
            numbers[i] = Values.number(list.get(i), column + "[" + i + "]");
        }
        return numbers;
    }

    private static BadRow bad(String message) {
        return new BadRow(BadRow.Reason.BAD_VALUE, message);
    }
}
