package org.dpo4j.model.family;

import com.fasterxml.jackson.databind.JsonNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.dpo4j.data.PackedBatch;
import org.dpo4j.data.PreferencePair;
import org.dpo4j.kernels.decoder.Segment;
import org.dpo4j.model.CompletionSums;
import org.dpo4j.model.Model;
import org.dpo4j.model.ScoringModel;
import org.dpo4j.model.TestFiles;

/** A directory of tests/golden/families. */
record GoldenModel(String name, Path directory, JsonNode json) {
    static GoldenModel read(Path directory) {
        return new GoldenModel(
                directory.getFileName().toString(), directory, TestFiles.json(directory.resolve("golden.json")));
    }

    JsonNode sequences() {
        return json.get("sequences");
    }

    int[] ids(int sequence) {
        return TestFiles.ints(sequences().get(sequence).get("ids"));
    }

    private int prompt() {
        return sequences().get(0).get("prompt").intValue();
    }

    /** The first two sequences. The third has no completion. */
    PreferencePair pair() {
        int[] prompt = Arrays.copyOf(ids(0), prompt());
        return new PreferencePair(1, prompt, completion(0), completion(1));
    }

    private int[] completion(int sequence) {
        int[] ids = ids(sequence);
        return Arrays.copyOfRange(ids, prompt(), ids.length);
    }

    /** d loss / d (sum of the completion's log-probs). */
    float[] weights() {
        return new float[] {
            sequences().get(0).get("weight").floatValue(),
            sequences().get(1).get("weight").floatValue()
        };
    }

    double[] completionLogProbs() {
        return IntStream.range(0, 2)
                .mapToObj(i -> TestFiles.doubles(sequences().get(i).get("token_logps")))
                .flatMapToDouble(logProbs -> Arrays.stream(logProbs, prompt() - 1, logProbs.length))
                .toArray();
    }

    Map<String, float[]> tensors(String file) {
        return TestFiles.floatTensors(directory.resolve(file));
    }

    /** Parameters by the names under which transformers saves them. Published files of GPT-2 have others, and masks. */
    Map<String, float[]> savedTensors(String file) {
        Map<String, float[]> saved = new TreeMap<>();
        tensors(file).forEach((tensor, values) -> {
            if (!name.equals("gpt2-published") || tensor.equals("lm_head.weight")) {
                saved.put(tensor, values);
            } else if (!tensor.endsWith(".attn.bias")) {
                saved.put("transformer." + tensor, values);
            }
        });
        return saved;
    }

    /** The log-prob of every token of the vocabulary after each token of a sequence. */
    static float[] logProbs(Model model, int[] ids) {
        int vocabulary = model.architecture().vocabSize();
        int[] rows = IntStream.range(0, ids.length * vocabulary)
                .map(i -> i / vocabulary)
                .toArray();
        int[] targets = IntStream.range(0, ids.length * vocabulary)
                .map(i -> i % vocabulary)
                .toArray();
        int[] positions = IntStream.range(0, ids.length).toArray();
        PackedBatch batch = new PackedBatch(
                ids, positions, List.of(Segment.plain(0, ids.length, 0)), rows, targets, new int[] {0, targets.length});
        try (ScoringModel scoring = new ScoringModel(model, CompletionSums.PLAIN)) {
            return model.device().downloadFloats(scoring.forward(batch).tokens(), targets.length);
        }
    }

    static double max(float[] values) {
        double max = 0;
        for (float value : values) {
            max = Math.max(max, Math.abs(value));
        }
        return max;
    }

    static double[] logSoftmax(float[] logits, int vocabulary) {
        double[] logProbs = new double[logits.length];
        for (int begin = 0; begin < logits.length; begin += vocabulary) {
            double sum = 0;
            for (int i = begin; i < begin + vocabulary; i++) {
                sum += Math.exp(logits[i]);
            }
            for (int i = begin; i < begin + vocabulary; i++) {
                logProbs[i] = logits[i] - Math.log(sum);
            }
        }
        return logProbs;
    }
}
