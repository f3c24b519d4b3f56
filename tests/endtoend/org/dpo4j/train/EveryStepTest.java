package org.dpo4j.train;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.dpo4j.kernels.LossType;
import org.dpo4j.model.family.Llama;
import org.dpo4j.train.checkpoint.CheckpointDirectory;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** Runs of each kind, which go on from each of their steps and end with the same bytes. */
class EveryStepTest extends CheckpointFixture {
    private static Arguments variant(String name, UnaryOperator<DpoOptions.Builder> options) {
        return Arguments.of(name, options);
    }

    private static UnaryOperator<DpoOptions.Builder> optimizer(OptimizerName name, String args) {
        return options -> options.optim(name).optimArgs(args.isEmpty() ? OptionMap.EMPTY : OptionMap.parse(args));
    }

    static Stream<Arguments> variants() {
        UnaryOperator<DpoOptions.Builder> lora = options ->
                options.usePeft(true).loraR(4).loraTargetModules("all-linear").useEma(true);
        return Stream.of(
                variant("adamw_torch", options -> options),
                variant("adamw_8bit", optimizer(OptimizerName.ADAMW_8BIT, "")),
                variant("sgd", optimizer(OptimizerName.SGD, "momentum=0.9,dampening=0.5")),
                variant("rmsprop", optimizer(OptimizerName.RMSPROP, "momentum=0.9,centered=true")),
                variant("lion_32bit", optimizer(OptimizerName.LION_32BIT, "")),
                variant("LoRA", lora),
                variant("QLoRA", options -> lora.apply(options).loadIn4bit(true).useBnbNestedQuant(true)),
                variant(
                        "TR-DPO",
                        options ->
                                options.syncRefModel(true).refModelSyncSteps(3).refModelMixupAlpha(0.4)),
                variant(
                        "running mean",
                        options -> options.lossType(LossType.BCO_PAIR).bcoRunningMean(true)),
                variant(
                        "early stopping",
                        options -> options.saveStrategy(SaveStrategy.STEPS)
                                .saveSteps(1)
                                .evalSteps(1)
                                .loadBestModelAtEnd(true)
                                .earlyStoppingPatience(3)
                                .earlyStoppingThreshold(1e6)));
    }

    /** The embedding is large enough for moments of 8 bits. */
    @Tag("long")
    @ParameterizedTest(name = "{0}")
    @MethodSource("variants")
    void everyStepGoesOnWithTheSameBits(String name, UnaryOperator<DpoOptions.Builder> variant) throws IOException {
        TinyRun.writeModelAndPairs(directory, Llama.config(300, 16, 24, 1, 2, 1, 64, true), 8);
        train(variant.apply(options("all").saveStrategy(SaveStrategy.STEPS).saveSteps(1)));
        List<Integer> steps = CheckpointDirectory.list(directory.resolve("all")).stream()
                .map(CheckpointDirectory::step)
                .toList();
        assertThat(steps)
                .containsExactlyElementsOf(IntStream.rangeClosed(1, name.equals("early stopping") ? 4 : 12)
                        .boxed()
                        .toList());
        for (int step : steps) {
            String output = "from-" + step;
            String checkpoint = directory.resolve("all/checkpoint-" + step).toString();
            train(variant.apply(options(output)).resumeFromCheckpoint(checkpoint));
            assertThat(lines(output)).as(output).isEqualTo(lines("all"));
            for (Path file : weights("all")) {
                assertThat(directory.resolve(output).resolve(file))
                        .hasSameBinaryContentAs(directory.resolve("all").resolve(file));
            }
        }
    }

    /** The files of weights of a run, but for those of checkpoints. */
    private List<Path> weights(String output) throws IOException {
        Path run = directory.resolve(output);
        try (Stream<Path> files = Files.walk(run)) {
            List<Path> found = files.map(run::relativize)
                    .filter(file -> file.toString().endsWith("model.safetensors")
                            && !file.toString().startsWith("checkpoint-"))
                    .toList();
            assertThat(found).isNotEmpty();
            return found;
        }
    }
}
