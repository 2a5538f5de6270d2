import type { Language } from './language.ts';

/** What the runner itself says in a plan, beside the sentences of its steps. */
type OwnWords = {
  noSteps: string;
  oneStep: string;
  steps: (count: number) => string;
  linksLeftOut: string;
  outOfTokens: string;
  modelFailed: (code: string) => string;
  researchFailed: string;
  researchLocalOnly: string;
  lookedUp: (sources: number) => string;
  agentTextsClosed: string;
};

export const OWN_WORDS: Record<Language, OwnWords> = {
  en: {
    noSteps: 'No steps were proposed.',
    oneStep: 'One step was proposed.',
    steps: (count) => `${count} steps were proposed.`,
    linksLeftOut:
      "The model's words were left out: they held a link that stands in nothing you shared.",
    outOfTokens: "The plan ends here because the agent's tokens of these 24 hours are used.",
    modelFailed: (code) => `The plan ends here because the language model failed (${code}).`,
    researchFailed:
      'The research that the objective asks for could not be done; this plan was made without it.',
    researchLocalOnly:
      'Nothing was looked up on the web, because the grant is for local models alone.',
    lookedUp: (sources) => `Looked up on the web before planning: ${sources} sources.`,
    agentTextsClosed: "The agent's own texts could not be read: no grant covers them.",
  },
  de: {
    noSteps: 'Es wurden keine Schritte vorgeschlagen.',
    oneStep: 'Ein Schritt wurde vorgeschlagen.',
    steps: (count) => `${count} Schritte wurden vorgeschlagen.`,
    linksLeftOut:
      'Die Worte des Modells wurden weggelassen: Sie enthielten einen Link, der in nichts steht, was du geteilt hast.',
    outOfTokens:
      'Der Plan endet hier, weil die Tokens des Agenten für diese 24 Stunden verbraucht sind.',
    modelFailed: (code) => `Der Plan endet hier, weil das Sprachmodell versagt hat (${code}).`,
    researchFailed:
      'Die Recherche, um die das Ziel bittet, war nicht möglich; der Plan entstand ohne sie.',
    researchLocalOnly:
      'Im Web wurde nichts nachgesehen, weil die Freigabe nur für lokale Modelle gilt.',
    lookedUp: (sources) => `Vor dem Planen im Web nachgesehen: ${sources} Quellen.`,
    agentTextsClosed:
      'Die Texte des Agenten konnten nicht gelesen werden: Keine Freigabe umfasst sie.',
  },
  fr: {
    noSteps: "Aucune étape n'a été proposée.",
    oneStep: 'Une étape a été proposée.',
    steps: (count) => `${count} étapes ont été proposées.`,
    linksLeftOut:
      'Les mots du modèle ont été omis : ils contenaient un lien qui ne figure dans rien de ce que vous avez partagé.',
    outOfTokens: "Le plan s'arrête ici, car les jetons de l'agent pour ces 24 heures sont épuisés.",
    modelFailed: (code) => `Le plan s'arrête ici, car le modèle de langage a échoué (${code}).`,
    researchFailed:
      "La recherche demandée par l'objectif n'a pas pu être faite ; le plan a été établi sans elle.",
    researchLocalOnly:
      "Rien n'a été cherché sur le web, car l'autorisation ne vaut que pour les modèles locaux.",
    lookedUp: (sources) => `Cherché sur le web avant de planifier : ${sources} sources.`,
    agentTextsClosed:
      "Les textes de l'agent n'ont pas pu être lus : aucune autorisation ne les couvre.",
  },
  es: {
    noSteps: 'No se propuso ningún paso.',
    oneStep: 'Se propuso un paso.',
    steps: (count) => `Se propusieron ${count} pasos.`,
    linksLeftOut:
      'Se omitieron las palabras del modelo: contenían un enlace que no figura en nada de lo que compartiste.',
    outOfTokens: 'El plan termina aquí porque se gastaron los tokens del agente de estas 24 horas.',
    modelFailed: (code) => `El plan termina aquí porque el modelo de lenguaje falló (${code}).`,
    researchFailed:
      'No se pudo hacer la búsqueda que pide el objetivo; este plan se hizo sin ella.',
    researchLocalOnly:
      'No se buscó nada en la web, porque el permiso vale solo para modelos locales.',
    lookedUp: (sources) => `Buscado en la web antes de planificar: ${sources} fuentes.`,
    agentTextsClosed: 'No se pudieron leer los textos del agente: ningún permiso los cubre.',
  },
  it: {
    noSteps: 'Non è stato proposto alcun passo.',
    oneStep: 'È stato proposto un passo.',
    steps: (count) => `Sono stati proposti ${count} passi.`,
    linksLeftOut:
      'Le parole del modello sono state omesse: contenevano un link che non compare in nulla di ciò che hai condiviso.',
    outOfTokens: "Il piano finisce qui perché i token dell'agente per queste 24 ore sono esauriti.",
    modelFailed: (code) =>
      `Il piano finisce qui perché il modello linguistico ha fallito (${code}).`,
    researchFailed:
      "La ricerca chiesta dall'obiettivo non è stata possibile; il piano è stato fatto senza.",
    researchLocalOnly:
      'Non è stato cercato nulla sul web, perché il permesso vale solo per modelli locali.',
    lookedUp: (sources) => `Cercato sul web prima di pianificare: ${sources} fonti.`,
    agentTextsClosed: "I testi dell'agente non sono stati letti: nessun permesso li copre.",
  },
};
