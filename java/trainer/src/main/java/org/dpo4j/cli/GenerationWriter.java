package org.dpo4j.cli;

import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.PrintStream;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.dpo4j.data.Prompt;
import org.dpo4j.data.TextStream;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.model.Generator;
import org.jspecify.annotations.Nullable;

/**
 * Writes generated texts in the order of their prompts. It writes a text when all samples of its prompt and of earlier
 * prompts have ended. If there is only one text, it writes each token at once. It ends texts at stop strings.
 */
final class GenerationWriter implements Generator.Listener {
    private static final JsonMapper JSON = new JsonMapper();

    private final PrintStream out;
    private final @Nullable Tokenizer tokenizer;
    private final List<Prompt> prompts;
    private final List<String> stops;
    private final boolean isJson;
    private final boolean isStreamed;

    private record Place(int request, int sample) {}

    /** Texts that run, if their text is needed before they end. */
    private final Map<Place, TextStream> streams = new HashMap<>();
    /** Samples of requests that ended before an earlier one. */
    private final Map<Integer, List<int[]>> waiting = new HashMap<>();

    private int written;

    /** @param isStreamed whether to write the only text token by token; requires a tokenizer */
    GenerationWriter(
            PrintStream out,
            @Nullable Tokenizer tokenizer,
            List<Prompt> prompts,
            List<String> stops,
            boolean isJson,
            boolean isStreamed) {
        this.out = out;
        this.tokenizer = tokenizer;
        this.prompts = prompts;
        this.stops = stops;
        this.isJson = isJson;
        this.isStreamed = isStreamed;
        if (isStreamed && tokenizer != null) {
            write(tokenizer.decode(prompts.get(0).ids()));
        }
    }

    @Override
    public boolean token(int request, int sample, int token) {
        if (tokenizer == null || !isStreamed && stops.isEmpty()) {
            return true;
        }
        TextStream stream = streams.computeIfAbsent(
                new Place(request, sample),
                place -> new TextStream(tokenizer, prompts.get(request).ids(), stops));
        String piece = stream.add(token);
        if (isStreamed) {
            write(piece);
        }
        return !stream.isStopped() && !(isStreamed && out.checkError());
    }

    @Override
    public void ended(int request, List<int[]> samples) {
        waiting.put(request, samples);
        for (List<int[]> next = waiting.remove(written); next != null; next = waiting.remove(written)) {
            for (int sample = 0; sample < next.size(); sample++) {
                writeEnd(written, sample, next.get(sample));
            }
            out.flush();
            written++;
        }
    }

    private void writeEnd(int request, int sample, int[] completion) {
        TextStream stream = streams.remove(new Place(request, sample));
        String rest = stream == null ? "" : stream.end();
        Prompt prompt = prompts.get(request);
        if (isStreamed) {
            out.println(rest);
        } else if (isJson) {
            out.println(line(prompt, sample + 1, completion, stream));
        } else if (tokenizer != null) {
            out.println(
                    stream == null
                            ? text(prompt, completion, tokenizer)
                            : tokenizer.decode(prompt.ids()) + stream.text());
        }
    }

    private void write(String piece) {
        out.print(piece);
        out.flush();
    }

    /**
     * Decodes prompt and completion together, because some tokenizers decode a token differently at the start of a
     * text.
     */
    private static String text(Prompt prompt, int[] completion, Tokenizer tokenizer) {
        return tokenizer.decode(IntStream.concat(Arrays.stream(prompt.ids()), Arrays.stream(completion))
                .toArray());
    }

    private ObjectNode line(Prompt prompt, int sample, int[] completion, @Nullable TextStream stream) {
        ObjectNode line = JSON.createObjectNode().put("row", prompt.row()).put("sample", sample);
        if (tokenizer != null) {
            String given = tokenizer.decode(prompt.ids());
            line.put("prompt", given);
            line.put("completion", stream == null ? completion(given, prompt, completion, tokenizer) : stream.text());
        }
        Arrays.stream(prompt.ids()).forEach(line.putArray("prompt_ids")::add);
        Arrays.stream(completion).forEach(line.putArray("completion_ids")::add);
        return line;
    }

    private static String completion(String given, Prompt prompt, int[] completion, Tokenizer tokenizer) {
        String whole = text(prompt, completion, tokenizer);
        return whole.startsWith(given) ? whole.substring(given.length()) : tokenizer.decode(completion);
    }
}
