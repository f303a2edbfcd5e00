// Begins GraphiQL, where it could be loaded.

if (window.React && window.ReactDOM && window.GraphiQL) {
  const url = location.origin + location.pathname;
  const fetcher = GraphiQL.createFetcher({ url, subscriptionUrl: url.replace(/^http/, "ws") });
  const root = ReactDOM.createRoot(document.getElementById("graphiql"));
  root.render(React.createElement(GraphiQL, { fetcher }));
}
