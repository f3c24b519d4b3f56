package org.dpo4j.quickstart;

import java.util.ArrayList;
import java.util.List;
import org.dpo4j.data.Tokenizer;
import org.dpo4j.kernels.Dpo4jException;
import org.dpo4j.model.Generator;
import org.dpo4j.model.Model;

/**
 * A review that a model sampled.
 *
 * @param prompt the given first words
 * @param promptIds their token ids
 * @param completion the sampled words
 * @param completionIds their token ids, with EOS if it was sampled
 */
record Sample(String prompt, int[] promptIds, String completion, int[] completionIds) {

    /** Samples {@code each} continuations of every prompt at temperature 1. */
    static List<List<Sample>> draw(Model model, Tokenizer tokenizer, List<String> prompts, int each, long seed) {
        List<Generator.Request> requests = new ArrayList<>();
        for (int i = 0; i < prompts.size(); i++) {
            requests.add(new Generator.Request(tokenizer.encodeStart(prompts.get(i)), each, seed + i));
        }
        List<List<Sample>> samples = new ArrayList<>();
        try (Generator generator = new Generator(model)) {
            int maxNewTokens = model.architecture().maxPositions();
            List<List<int[]>> drawn = generator.generate(requests, new Generator.Options(maxNewTokens, 1));
            for (int i = 0; i < prompts.size(); i++) {
                String prompt = prompts.get(i);
                int[] ids = requests.get(i).prompt();
                samples.add(drawn.get(i).stream()
                        .map(completion -> new Sample(prompt, ids, tokenizer.decode(completion), completion))
                        .toList());
            }
        }
        return samples;
    }

    /** Whether the model ended the review by EOS, after at least one word. */
    boolean isFinished() {
        return completionIds.length > 1 && completionIds[completionIds.length - 1] == WordTokenizer.END_ID;
    }

    String text() {
        return prompt + " " + completion;
    }

    double sentiment() {
        return Lexicon.sentiment(text());
    }

    static double meanSentiment(List<Sample> samples) {
        return samples.stream()
                .mapToDouble(Sample::sentiment)
                .average()
                .orElseThrow(() -> new Dpo4jException("no samples to average; ask for at least one prompt"));
    }
}
