///usr/bin/env jbang "$0" "$@" ; exit $?
//JAVA 17+
//DEPS org.dpo4j:dpo4j-trainer:0.1.0-SNAPSHOT
//RUNTIME_OPTIONS -Dorg.bytedeco.javacpp.maxPhysicalBytes=0 -Dorg.bytedeco.javacpp.maxBytes=0

import java.nio.file.Path;
import java.util.List;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.report.Metrics;
import org.dpo4j.train.AdapterMerge;
import org.dpo4j.train.DpoOptions;
import org.dpo4j.train.DpoTrainer;

/**
 * Trains LoRA adapters of a Hugging Face model on preference pairs, then merges them into the model.
 *
 * <pre>
 * java -cp 'java/trainer/target/*:java/trainer/target/lib/*' examples/TrainLora.java MODEL PAIRS.jsonl OUTPUT
 * </pre>
 *
 * OUTPUT/adapter loads in PEFT, OUTPUT/merged in transformers.
 */
class TrainLora {
    public static void main(String[] args) {
        if (args.length != 3) {
            System.err.println("usage: TrainLora.java MODEL PAIRS.jsonl OUTPUT");
            System.exit(2);
        }
        Path adapter = Path.of(args[2], "adapter");
        DpoOptions options = DpoOptions.builder()
                .modelNameOrPath(Path.of(args[0]))
                .datasetName(Path.of(args[1]))
                .outputDir(adapter)
                .usePeft(true)
                .loraR(16)
                .loraAlpha(32)
                .loraTargetModules("all-linear")
                .learningRate(1e-3)
                .numTrainEpochs(1)
                .loggingSteps(5)
                .build();

        List<Metrics> history = DpoTrainer.train(options, System.out::println);

        try (Device device = Devices.open("auto")) {
            AdapterMerge.run(adapter, Path.of(args[2], "merged"), device, System.out::println);
        }
        double last = history.get(history.size() - 1).values().get("rewards/margins");
        System.out.printf("reward margin %.4f; adapter and merged model are in %s%n", last, args[2]);
    }
}
