package org.dpo4j.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.util.Arrays;
import java.util.List;
import java.util.function.Function;
import org.dpo4j.cli.CompletionRows.Scored;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.data.Sequence;

/**
 * Writes log-probs of rows of one kind (pairs or sequences) as JSON lines.
 *
 * @param kind how the rows are scored
 * @param ids token ids of the prompt, then of each completion, then of the second completion's prompt if it is another
 * @param idNames their keys
 */
record LogProbLines<T>(CompletionRows<T> kind, Function<T, List<int[]>> ids, List<String> idNames) {

    static final LogProbLines<PreferencePair> PAIRS = new LogProbLines<>(
            CompletionRows.PAIRS,
            pair -> pair.hasSharedPrompt()
                    ? List.of(pair.prompt(), pair.chosen(), pair.rejected())
                    : List.of(pair.prompt(), pair.chosen(), pair.rejected(), pair.rejectedPrompt()),
            List.of("prompt_ids", "chosen_ids", "rejected_ids", "rejected_prompt_ids"));

    static final LogProbLines<Sequence> SEQUENCES = new LogProbLines<>(
            CompletionRows.SEQUENCES,
            sequence -> List.of(sequence.prompt(), sequence.completion()),
            List.of("prompt_ids", "completion_ids"));

    private static final JsonMapper JSON = new JsonMapper();

    /** Writes one line per row. It always has sums and token counts. */
    void write(Scored<T> scored, boolean hasIds, PrintStream out) {
        for (int i = 0; i < scored.rows().size(); i++) {
            T values = scored.rows().get(i);
            ObjectNode line =
                    line(kind.row().applyAsInt(values), i * kind.sides().size(), scored);
            if (hasIds) {
                putIds(values, line);
            }
            out.println(line);
        }
    }

    private void putIds(T values, ObjectNode line) {
        List<int[]> parts = ids.apply(values);
        for (int part = 0; part < parts.size(); part++) {
            Arrays.stream(parts.get(part)).forEach(line.putArray(idNames.get(part))::add);
        }
    }

    private ObjectNode line(int number, int first, Scored<T> scored) {
        ObjectNode line = JSON.createObjectNode().put("row", number);
        List<String> sides = kind.sides();
        int[] offsets = scored.offsets();
        for (int side = 0; side < sides.size(); side++) {
            line.put(sides.get(side) + "logps", scored.sums()[first + side]);
        }
        for (int side = 0; side < sides.size(); side++) {
            line.put(sides.get(side) + "tokens", offsets[first + side + 1] - offsets[first + side]);
        }
        float[] tokens = scored.tokens();
        if (tokens != null) {
            for (int side = 0; side < sides.size(); side++) {
                ArrayNode values = line.putArray(sides.get(side) + "token_logps");
                for (int i = offsets[first + side]; i < offsets[first + side + 1]; i++) {
                    values.add(tokens[i]);
                }
            }
        }
        return line;
    }
}
