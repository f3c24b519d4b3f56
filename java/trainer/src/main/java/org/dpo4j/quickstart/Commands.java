package org.dpo4j.quickstart;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.Collectors;

/** The arguments of the commands of the experiment. The experiment runs them, and its README lists them. */
record Commands(ExperimentFiles files, String device, long seed, Size size) {

    /** Strength of the KL penalty towards the reference. */
    static final double BETA = 0.1;

    List<String> sft() {
        return training(
                files.untrained(),
                files.corpus(),
                files.sft(),
                "--num_train_epochs " + size.epochs() + " --per_device_train_batch_size 16 --learning_rate 2e-3"
                        + " --lr_scheduler_type cosine --warmup_ratio 0.1 --adam_beta2 0.95 --logging_steps 50");
    }

    List<String> dpo() {
        return training(
                files.sft(),
                files.pairs(),
                files.dpo(),
                "--beta " + BETA + " --num_train_epochs 1 --per_device_train_batch_size 32 --learning_rate 2e-4"
                        + " --lr_scheduler_type linear --warmup_ratio 0.1 --logging_steps 5");
    }

    List<String> generate(Path model, String prompt) {
        List<String> arguments = words("--device " + device + " --max_new_tokens 100 --temperature 1 --seed " + seed);
        arguments.addAll(List.of("--model_name_or_path", model.toString(), "--prompt", prompt));
        return arguments;
    }

    List<String> logps(Path model) {
        List<String> arguments = words("--device " + device + " --on_bad_row skip");
        arguments.addAll(List.of(
                "--model_name_or_path",
                model.toString(),
                "--dataset_name",
                files.samples().toString()));
        return arguments;
    }

    /** A command line as a user would type it. */
    static String line(String command, List<String> arguments) {
        return arguments.stream()
                .map(argument -> argument.matches("[\\w./+-]+") ? argument : "'" + argument + "'")
                .collect(Collectors.joining(" ", "./dpo4j " + command + " ", ""));
    }

    private List<String> training(Path model, Path data, Path output, String options) {
        List<String> arguments = new ArrayList<>(List.of(
                "--model_name_or_path", model.toString(),
                "--dataset_name", data.toString(),
                "--output_dir", output.toString()));
        arguments.addAll(words("--overwrite_output_dir --dtype float32 --device " + device + " --seed " + seed));
        arguments.addAll(words(options));
        return arguments;
    }

    private static List<String> words(String options) {
        return new ArrayList<>(Arrays.asList(options.split(" ")));
    }
}
