import static org.codelibs.opensearch.runner.OpenSearchRunner.newConfigs;

import java.io.FileReader;
import java.util.Properties;
import org.codelibs.opensearch.runner.OpenSearchRunner;

/** Runs one node of OpenSearch until it is signalled: java -cp 'lib/*' Node.java DIRECTORY SETTINGS */
public class Node {
    public static void main(String[] args) throws Exception {
        var settings = new Properties();
        try (var file = new FileReader(args[1])) {
            settings.load(file);
        }
        var runner = new OpenSearchRunner();
        runner.setMaxHttpPort(-1); // the settings say the port: no search for a free one
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                runner.close();
            } catch (Exception e) {
                e.printStackTrace();
            }
        }));
        runner.onBuild((number, builder) -> settings.forEach((key, value) -> builder.put((String) key, (String) value)));
        runner.build(newConfigs().basePath(args[0]).numOfNode(1).disableESLogger());
        var address = runner.node().injector().getInstance(org.opensearch.http.HttpServerTransport.class).boundAddress();
        System.out.println("listening on " + address.publishAddress());
        Thread.currentThread().join();
    }
}
