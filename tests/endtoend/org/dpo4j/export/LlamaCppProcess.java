package org.dpo4j.export;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import de.kherud.llama.InferenceParameters;
import de.kherud.llama.LlamaModel;
import de.kherud.llama.LlamaOutput;
import de.kherud.llama.ModelParameters;
import de.kherud.llama.args.CacheType;

/**
 * Runs llama.cpp in a process of its own, which ends without closing the model: closing waits forever, and a model that
 * llama.cpp cannot compute ends the process. Arguments are tokens to generate, a prompt, and GGUF files. Prints a line of
 * JSON for each file: the ids of the prompt without BOS, and the text that greedy decoding adds.
 */
public final class LlamaCppProcess {
    private static final int CONTEXT = 128;

    private LlamaCppProcess() {}

    public static void main(String[] arguments) {
        int code = 1;
        try {
            for (int i = 2; i < arguments.length; i++) {
                System.out.println(run(arguments[i], arguments[1], Integer.parseInt(arguments[0])));
            }
            code = 0;
        } catch (RuntimeException | LinkageError e) {
            System.out.println(e);
        }
        System.out.flush();
        Runtime.getRuntime().halt(code);
    }

    private static ObjectNode run(String file, String prompt, int count) {
        LlamaModel model = new LlamaModel(new ModelParameters()
                .setModel(file)
                .setCtxSize(CONTEXT)
                .setThreads(1)
                .setCacheTypeK(CacheType.F32)
                .setCacheTypeV(CacheType.F32)
                .skipWarmup()
                .disableLog());
        ObjectNode line = JsonNodeFactory.instance.objectNode();
        ArrayNode ids = line.putArray("ids");
        for (int id : model.encode(prompt)) {
            ids.add(id);
        }
        InferenceParameters greedy = new InferenceParameters(prompt)
                .setTemperature(0)
                .setTopK(1)
                .setRepeatPenalty(1)
                .setIgnoreEos(true)
                .setNPredict(count);
        StringBuilder text = new StringBuilder();
        for (LlamaOutput output : model.generate(greedy)) {
            text.append(output.text);
        }
        return line.put("text", text.toString());
    }
}
