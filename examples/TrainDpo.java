///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.dpo4j:dpo4j-trainer:0.1.0-SNAPSHOT
//RUNTIME_OPTIONS -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 -Dorg.bytedeco.javacpp.maxBytes=0

import java.nio.file.Path;
import java.util.List;
import org.dpo4j.report.Metrics;
import org.dpo4j.train.DpoOptions;
import org.dpo4j.train.DpoTrainer;

/**
 * Trains a Hugging Face Llama directory on preference pairs, through the public Java API.
 *
 * <pre>
 * java -cp 'java/trainer/target/*:java/trainer/target/lib/*' examples/TrainDpo.java MODEL PAIRS.jsonl OUTPUT
 * </pre>
 *
 * A row of PAIRS.jsonl is {"prompt": "...", "chosen": "...", "rejected": "..."}; OUTPUT loads in transformers.
 */
class TrainDpo {
    public static void main(String[] args) {
        if (args.length != 3) {
            System.err.println("usage: TrainDpo.java MODEL PAIRS.jsonl OUTPUT");
            System.exit(2);
        }
        DpoOptions options = DpoOptions.builder()
                .modelNameOrPath(Path.of(args[0]))
                .datasetName(Path.of(args[1]))
                .outputDir(Path.of(args[2]))
                .beta(0.1)
                .learningRate(5e-5)
                .numTrainEpochs(1)
                .loggingSteps(5)
                .build();

        List<Metrics> history = DpoTrainer.train(options, System.out::println);

        double first = history.get(0).values().get("rewards/margins");
        double last = history.get(history.size() - 1).values().get("rewards/margins");
        System.out.printf("reward margin %.4f -> %.4f; the model is in %s%n", first, last, args[2]);
    }
}
