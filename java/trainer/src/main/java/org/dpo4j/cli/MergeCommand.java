package org.dpo4j.cli;

import java.util.concurrent.Callable;
import org.dpo4j.kernels.Device;
import org.dpo4j.report.Console;
import org.dpo4j.train.AdapterMerge;
import org.dpo4j.train.DeviceOptions;
import org.dpo4j.train.HubOptions;
import org.dpo4j.train.ModelOptions;
import org.dpo4j.train.OutputOptions;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

/** {@code dpo4j merge}: makes a model of an adapter and its base model. */
@Command(
        name = "merge",
        description = "Merge a LoRA adapter into its base model, and save the result as a model.",
        footer = {
            "",
            "model_name_or_path is the adapter; its adapter_config.json names the base model. Matrices are merged in"
                    + " float32 unless dtype is given."
        },
        sortOptions = false)
final class MergeCommand implements Callable<Integer> {
    @Spec
    private CommandSpec command;

    @Mixin
    private final ModelOptions model = new ModelOptions();

    @Mixin
    private final HubOptions hub = new HubOptions();

    @Mixin
    private final OutputOptions output = new OutputOptions();

    @Mixin
    private final DeviceOptions deviceOptions = new DeviceOptions();

    @Override
    public Integer call() {
        Output.require(command, "model_name_or_path", model.hasDirectory());
        Output.require(command, "output_dir", output.hasDirectory());
        hub.fetch(model);
        AdapterMerge.check(model, output);
        try (Console console = Console.errors();
                Device device = deviceOptions.open(Output::notice)) {
            AdapterMerge.run(model, output, device, console);
        }
        return 0;
    }
}
