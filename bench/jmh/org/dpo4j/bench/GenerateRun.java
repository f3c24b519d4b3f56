package org.dpo4j.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.dpo4j.kernels.DType;
import org.dpo4j.kernels.Device;
import org.dpo4j.kernels.Devices;
import org.dpo4j.model.Generator;
import org.dpo4j.model.Model;
import org.dpo4j.model.Sampling;

/**
 * Generates greedily on cpu for {@code bench/peers/model_runs.py}, twice, and prints the seconds of the second time.
 * Arguments: model directory, file of rows, number of sequences, tokens of each prompt, tokens to generate, storage of
 * weights (F32 or BF16). Prompts are the first tokens of the rows. Texts do not end at EOS.
 */
public final class GenerateRun {
    private GenerateRun() {}

    public static void main(String[] arguments) throws IOException {
        int count = Integer.parseInt(arguments[2]);
        int tokens = Integer.parseInt(arguments[4]);
        List<Generator.Request> requests = requests(Path.of(arguments[1]), count, Integer.parseInt(arguments[3]));
        Generator.Options options = new Generator.Options(tokens, tokens, new Sampling(0), Set.of());
        try (Device device = Devices.open("cpu");
                Model model = Model.load(Path.of(arguments[0]), device, DType.valueOf(arguments[5]));
                Generator generator = new Generator(model)) {
            model.packMatrices();
            generator.generate(requests, options);
            long begin = System.nanoTime();
            generator.generate(requests, options);
            System.out.println("{\"seconds\": " + (System.nanoTime() - begin) / 1e9 + "}");
        }
    }

    private static List<Generator.Request> requests(Path rows, int count, int length) throws IOException {
        ObjectMapper json = new ObjectMapper();
        List<String> lines = Files.readAllLines(rows);
        List<Generator.Request> requests = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            JsonNode row = json.readTree(lines.get(i % lines.size()));
            int[] prompt = new int[length];
            prompt[0] = row.get("prompt_ids").get(0).intValue();
            for (int j = 1; j < length; j++) {
                prompt[j] = row.get("completion_ids").get(j - 1).intValue();
            }
            requests.add(new Generator.Request(prompt, 1, 0));
        }
        return requests;
    }
}
